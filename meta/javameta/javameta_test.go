package javameta_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"lmqgate/meta/javameta"
	"lmqgate/meta/topic"
)

var table = map[string]string{
	"ALL_FIRST_TOPICS":  "t1, t2,t1,",
	"LMQ_CONNECT_NODES": "10.0.0.1,10.0.0.2",
	"t1":                "t1/+/,t1/r/#,t1/+,t1/plain,t1/a#,#,+/x,t1/%/+",
	"t3":                "t3/#",
}

func TestRead(t *testing.T) {
	l := javameta.Read(table)
	if fmt.Sprint(l.FirstTopics, l.Nodes) != "[t1 t2] [10.0.0.1 10.0.0.2]" {
		t.Errorf("first topics and nodes: %v %v", l.FirstTopics, l.Nodes)
	}
	if got := fmt.Sprint(l.Wildcards); got != "map[t1:[t1/+ t1/r/# # +/x]]" || l.Count() != 4 {
		t.Errorf("wildcards: %v", got)
	}
	if l.Skipped != 4 || len(l.Problems) != 4 {
		t.Errorf("%d skipped: %q", l.Skipped, l.Problems)
	}
}

func TestReadIsBounded(t *testing.T) {
	var wild strings.Builder
	for i := range javameta.MaxWildcards + 500 {
		fmt.Fprintf(&wild, "t/%d/#,", i)
	}
	l := javameta.Read(map[string]string{"ALL_FIRST_TOPICS": "t", "t": wild.String()})
	if l.Count() != javameta.MaxWildcards || l.Skipped != 500 || len(l.Problems) > 100 {
		t.Errorf("%d wildcards, %d skipped, %d problems", l.Count(), l.Skipped, len(l.Problems))
	}
}

// TestQueues: what the Java gateway's WildcardManager returns for these topics, as names of queues.
func TestQueues(t *testing.T) {
	l := javameta.Read(table)
	x := l.Index()
	for name, want := range map[string]string{
		"t1/a":       "%LMQ%#,%LMQ%t1%+%,%LMQ%t1%a%",
		"t1/a/":      "%LMQ%#,%LMQ%t1%+%,%LMQ%t1%a%", // no trailing slashes there
		"t1/x":       "%LMQ%#,%LMQ%+%x%,%LMQ%t1%+%,%LMQ%t1%x%",
		"t1/r":       "%LMQ%#,%LMQ%t1%+%,%LMQ%t1%r%,%LMQ%t1%r%#%",
		"t1/r/s/t":   "%LMQ%#,%LMQ%t1%r%#%,%LMQ%t1%r%s%t%",
		"t1":         "%LMQ%#,%LMQ%t1",
		"t1/p2p/c/x": "%LMQ%%p2p%c%",
		"t2/x":       "%LMQ%t2%x%",
		"t3/x":       "", // not in ALL_FIRST_TOPICS
		"other":      "",
		"t1/a%b":     "%LMQ%#,%LMQ%t1%+%",
	} {
		got := x.Queues(name)
		slices.Sort(got)
		if strings.Join(got, ",") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}

func TestFilter(t *testing.T) {
	for lmq, want := range map[string]string{
		"%LMQ%t": "t", "%LMQ%t%r1%": "t/r1", "%LMQ%%t%x%": "/t/x", "%LMQ%t%+%": "t/+", "%LMQ%t%#%": "t/#", "%LMQ%#": "#",
		"%LMQ%%p2p%c1%": "/p2p/c1",
	} {
		if got, err := javameta.Filter(lmq); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", lmq, got, err, want)
		}
	}
	for lmq, want := range map[string]error{
		"t": javameta.ErrNotLMQ, "%LMQ%": javameta.ErrNotLMQ, "%LMQ%%retry%c1%": javameta.ErrInternal,
		"%LMQ%t%#%x%": javameta.ErrNoFilter, "%LMQ%t%x": javameta.ErrNoFilter, "%LMQ%t,x": javameta.ErrNoFilter,
		topic.SharedLMQ(strings.Repeat("x", 190)): javameta.ErrNoFilter,
	} {
		if got, err := javameta.Filter(lmq); !errors.Is(err, want) {
			t.Errorf("%s: %q, %v, want %v", lmq, got, err, want)
		}
	}
}

func FuzzFilter(f *testing.F) {
	f.Add("%LMQ%t%r1%")
	f.Add("%LMQ%%t%%x%")
	f.Fuzz(func(t *testing.T, lmq string) {
		filter, err := javameta.Filter(lmq)
		if err == nil && (topic.LMQ(filter) != lmq || topic.ValidFilter(filter) != nil) {
			t.Errorf("%q: %q", lmq, filter)
		}
	})
}

func TestMissing(t *testing.T) {
	l := javameta.Read(table)
	missing, left := l.Missing([]string{"t1/+", "t1/+/x", "t1/z", "#", "t2/#", "new/+", "t1/%/#", "$share/g/t1/y/#"})
	if got := fmt.Sprint(missing); got != "map[new:[new/+] t1:[t1/+/x] t2:[# t2/#]]" {
		t.Errorf("missing %v", got)
	}
	if fmt.Sprint(left) != "[t1/%/# $share/g/t1/y/#]" {
		t.Errorf("left %v", left)
	}
}

func TestGroup(t *testing.T) {
	id, ok := javameta.ClientID(javameta.Group("gid@@@dev"))
	if id != "gid@@@dev" || !ok {
		t.Errorf("%q %v", id, ok)
	}
	if _, ok := javameta.ClientID("CID_x"); ok {
		t.Error("a group of others is a client's")
	}
}
