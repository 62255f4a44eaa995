// Package javameta reads what Apache RocketMQ MQTT (Java) leaves in RocketMQ: the lists in the name servers' key-value
// configuration, namespace LMQ, and the names under which its persistent clients' cursors are committed.
//
// The Java gateway dispatches a message to the queue of its topic and to those of the wildcard filters listed under the
// topic's first level, where that stands in ALL_FIRST_TOPICS. It compares names without trailing slashes. Everything here
// is input from elsewhere: lists are bounded, and what cannot be meant is left out and said.
package javameta

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lmqgate/meta/topic"
)

// Keys of the namespace; all other keys are first topics, with their wildcard filters as value.
const (
	KeyFirstTopics  = "ALL_FIRST_TOPICS"
	KeyConnectNodes = "LMQ_CONNECT_NODES"
)

// Bounds of what is read. A name server's value cannot be much longer than 30,000 bytes.
const (
	MaxFirstTopics = 4096
	MaxWildcards   = 20_000 // of all first topics together
	maxLevels      = 64
	maxProblems    = 100
)

// Lists are the Java gateway's metadata.
type Lists struct {
	FirstTopics []string            // in order, each once
	Nodes       []string            // LMQ_CONNECT_NODES
	Wildcards   map[string][]string // filters in normal form (see Normal) by first topic; only of FirstTopics
	Skipped     int                 // entries left out
	Problems    []string            // why, the first hundred
}

// Read reads the table of the namespace.
func Read(table map[string]string) Lists {
	l := Lists{Wildcards: make(map[string][]string)}
	l.FirstTopics = l.split(table[KeyFirstTopics])
	if len(l.FirstTopics) > MaxFirstTopics {
		l.skip(len(l.FirstTopics)-MaxFirstTopics, "%s has more than %d topics", KeyFirstTopics, MaxFirstTopics)
		l.FirstTopics = l.FirstTopics[:MaxFirstTopics]
	}
	l.Nodes = l.split(table[KeyConnectNodes])
	left := MaxWildcards
	for _, first := range l.FirstTopics {
		l.readWildcards(first, table[first], &left)
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		if key != KeyFirstTopics && key != KeyConnectNodes && !slices.Contains(l.FirstTopics, key) {
			l.skip(1, "wildcards are listed under %q, which is not in %s: Java gateways do not read them", key, KeyFirstTopics)
		}
	}
	return l
}

func (l *Lists) readWildcards(first, value string, left *int) {
	for _, entry := range l.split(value) {
		filter := Normal(entry)
		switch err := check(filter); {
		case err != nil:
			l.skip(1, "filter %q under %q: %v", entry, first, err)
		case *left == 0:
			l.skip(1, "filter %q under %q: more than %d filters are listed", entry, first, MaxWildcards)
		case !slices.Contains(l.Wildcards[first], filter):
			l.Wildcards[first] = append(l.Wildcards[first], filter)
			*left--
		}
	}
}

// check says what keeps a filter from being dispatched to as the Java gateway does.
func check(filter string) error {
	if err := topic.ValidFilter(filter); err != nil {
		return err
	}
	switch {
	case strings.HasPrefix(filter, "$share/"):
		return fmt.Errorf("shared subscriptions are not listed")
	case !topic.IsWildcard(filter):
		return fmt.Errorf("it has no wildcard, and a message goes to the queue of its topic anyway")
	case topic.Levels(filter) > maxLevels:
		return fmt.Errorf("it has more than %d levels", maxLevels)
	case topic.IsHashedLMQ(topic.LMQ(filter)):
		return fmt.Errorf("its queue has another name here: it is too long or has characters that names of queues cannot have")
	}
	return nil
}

// split splits a comma list, trims, and leaves out what is empty or was there before.
func (l *Lists) split(value string) []string {
	var out []string
	seen := make(map[string]bool)
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" && !seen[part] {
			seen[part] = true
			out = append(out, part)
		}
	}
	return out
}

func (l *Lists) skip(n int, format string, args ...any) {
	l.Skipped += n
	if len(l.Problems) < maxProblems {
		l.Problems = append(l.Problems, fmt.Sprintf(format, args...))
	}
}

// Count is how many wildcard filters are listed.
func (l *Lists) Count() int {
	n := 0
	for _, list := range l.Wildcards {
		n += len(list)
	}
	return n
}

// Normal is the form in which filters and names are compared: the Java gateway does not see trailing slashes.
func Normal(nameOrFilter string) string {
	if short := strings.TrimRight(nameOrFilter, "/"); short != "" {
		return short
	}
	return nameOrFilter
}
