package metatest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
	"lmqgate/meta/topic"
)

// RetainLimits are those of a store of retained messages; 0 is its own default, above all that the suite stores.
type RetainLimits struct {
	Count   int64
	Payload int
}

// RetainedBackend is one set of retained messages under test.
type RetainedBackend struct {
	// Open opens a further store on the same data, as another instance would.
	Open func(t *testing.T, limits RetainLimits) retain.Store
	// Now reads the store's clock, Pass returns when it has advanced by d; see Backend.
	Now  func(t *testing.T) time.Time
	Pass func(t *testing.T, d time.Duration)
}

// RetainedOpener makes a backend without data.
type RetainedOpener func(t *testing.T) *RetainedBackend

// Retained is the contract of retain.Store.
func Retained(t *testing.T, open RetainedOpener) {
	for name, test := range map[string]func(*testing.T, *RetainedBackend){
		"Replace":    retainReplace,
		"Properties": retainProperties,
		"Expiry":     retainExpiry,
		"Invalid":    retainInvalid,
		"Limits":     retainLimits,
		"Wildcards":  retainWildcards,
		"OddNames":   retainOddNames,
		"Large":      retainLarge,
		"Pages":      retainPages,
		"Model":      retainModel,
		"Concurrent": retainConcurrent,

		"Together":       retainTogether,
		"TogetherLimits": retainTogetherLimits,
		"TogetherModel":  retainTogetherModel,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func retained(name, payload string) *message.Message {
	return &message.Message{Topic: name, Payload: []byte(payload), Retain: true}
}

func setRetained(t *testing.T, s retain.Store, m *message.Message) {
	t.Helper()
	if err := s.Set(t.Context(), m); err != nil {
		t.Fatalf("set %.100q: %v", m.Topic, err)
	}
}

// wantRetained checks what Get returns; nil is ErrNotFound.
func wantRetained(t *testing.T, s retain.Store, name string, want *message.Message) {
	t.Helper()
	got, err := s.Get(t.Context(), name)
	if want == nil {
		if !errors.Is(err, retain.ErrNotFound) {
			t.Errorf("get %.100q: %v, %v, want ErrNotFound", name, got, err)
		}
		return
	}
	if err != nil {
		t.Errorf("get %.100q: %v", name, err)
		return
	}
	sameMessages(t, fmt.Sprintf("retained %.100q", name), []*message.Message{got}, want)
}

func sameMessages(t *testing.T, what string, got []*message.Message, want ...*message.Message) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); d != "" {
		t.Errorf("%s (-want +got):\n%.2000s", what, d)
	}
}

// matchAll reads all pages of a filter and checks that none is too long and no topic comes twice.
func matchAll(t *testing.T, s retain.Store, filter string, limit int) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for cursor, page := "", 0; ; page++ {
		found, next, err := s.Match(t.Context(), filter, cursor, limit)
		if err != nil {
			t.Fatalf("match %.100q: %v", filter, err)
		}
		if len(found) > limit {
			t.Errorf("match %.100q: a page of %d, limit %d", filter, len(found), limit)
		}
		for _, m := range found {
			if _, ok := all[m.Topic]; ok {
				t.Errorf("match %.100q: %.100q comes twice", filter, m.Topic)
			}
			if !m.Retain {
				t.Errorf("match %.100q: %.100q is not marked as retained", filter, m.Topic)
			}
			all[m.Topic] = string(m.Payload)
		}
		if next == "" {
			return all
		}
		if next == cursor || page > 100_000 {
			t.Fatalf("match %.100q does not end: cursor %.100q", filter, next)
		}
		cursor = next
	}
}

// wantMatches compares what filters find with topic.Match.
func wantMatches(t *testing.T, s retain.Store, stored map[string]string, filters []string, limits ...int) {
	t.Helper()
	for _, filter := range filters {
		want := make(map[string]string)
		for name, payload := range stored {
			if topic.Match(filter, name) {
				want[name] = payload
			}
		}
		for _, limit := range limits {
			equal(t, fmt.Sprintf("match %.100q by %d", filter, limit), matchAll(t, s, filter, limit), want)
		}
	}
}

func wantCount(t *testing.T, s retain.Store, want int) {
	t.Helper()
	if n, err := s.Count(t.Context()); err != nil || n != int64(want) {
		t.Errorf("count %d, %v, want %d", n, err, want)
	}
}

func retainReplace(t *testing.T, b *RetainedBackend) {
	s, other := b.Open(t, RetainLimits{}), b.Open(t, RetainLimits{})
	wantRetained(t, s, "a/b", nil)
	wantCount(t, s, 0)
	setRetained(t, s, retained("a/b", "1"))
	wantRetained(t, other, "a/b", retained("a/b", "1"))
	m := retained("a/b", "2")
	m.QoS, m.Properties.ContentType = 2, "text"
	setRetained(t, other, m)
	wantRetained(t, s, "a/b", m)
	setRetained(t, s, retained("a/b", "3"))
	wantRetained(t, s, "a/b", retained("a/b", "3"))
	wantRetained(t, s, "a", nil)
	wantRetained(t, s, "a/b/", nil)
	wantCount(t, other, 1)
	m = retained("a/c", "not marked")
	m.Retain = false
	setRetained(t, s, m)
	wantMatches(t, s, map[string]string{"a/b": "3", "a/c": "not marked"}, []string{"a/+", "a/b", "#"}, 1, 10)
	for range 2 {
		setRetained(t, other, retained("a/b", "")) // [MQTT-3.3.1-6]
		wantRetained(t, s, "a/b", nil)
		wantCount(t, s, 1)
	}
	setRetained(t, other, retained("a/c", ""))
	wantMatches(t, s, nil, []string{"a/+", "a/b", "#", "+/c"}, 10)
	wantCount(t, s, 0)
}

// retainProperties: everything that travels with a message comes back byte by byte.
func retainProperties(t *testing.T, b *RetainedBackend) {
	s := b.Open(t, RetainLimits{})
	born := b.Now(t).UnixMilli()
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	for i, m := range []*message.Message{
		{Payload: []byte{0}, BornMillis: 1},
		{Payload: binary, QoS: 2, BornMillis: born, Key: "7F00000100002A9F000000000000A1B2", Publisher: "客户端\x01"},
		{Payload: []byte("\r\n$-1\r\n"), QoS: 1, Properties: message.Properties{HasFormat: true}},
		{Payload: []byte("x"), Properties: message.Properties{HasFormat: true, PayloadFormat: 1, CorrelationData: []byte{}}},
		{Payload: []byte("x"), BornMillis: born, Properties: message.Properties{HasExpiry: true, Expiry: 1<<32 - 1}},
		{Payload: []byte(strings.Repeat("長", 50_000)), BornMillis: born, QoS: 1, Key: "K", Publisher: "p", Properties: message.Properties{
			HasFormat: true, PayloadFormat: 1, HasExpiry: true, Expiry: 3600, ContentType: "a/b; c", ResponseTopic: "re/ply",
			CorrelationData: binary,
			User:            []message.UserProperty{{Key: "k", Value: "2"}, {Key: "", Value: ""}, {Key: "k", Value: "1"}, {Key: "k", Value: "2"}},
		}},
	} {
		m.Topic, m.Retain = fmt.Sprint("props/", i), true
		setRetained(t, s, m)
		wantRetained(t, s, m.Topic, m)
		found, _, err := s.Match(t.Context(), fmt.Sprintf("+/%d/#", i), "", 10)
		if err != nil {
			t.Fatal(err)
		}
		sameMessages(t, "match", found, m)
		if got, err := s.Get(t.Context(), m.Topic); err != nil || (got.Properties.CorrelationData == nil) != (m.Properties.CorrelationData == nil) {
			t.Errorf("message %d: empty correlation data and none are mixed up, or %v", i, err)
		}
	}
}

// retainExpiry: [MQTT-3.3.2-5].
func retainExpiry(t *testing.T, b *RetainedBackend) {
	s, ctx := b.Open(t, RetainLimits{}), t.Context()
	lives := func(name string, waited time.Duration, expiry uint32) *message.Message {
		m := retained(name, "x")
		m.BornMillis = b.Now(t).Add(-waited).UnixMilli()
		m.Properties.HasExpiry, m.Properties.Expiry = true, expiry
		return m
	}
	setRetained(t, s, lives("e/long", 0, 3600))
	setRetained(t, s, lives("e/short", 99*time.Second, 100))
	setRetained(t, s, lives("e/kept", 99*time.Second, 100))
	setRetained(t, s, retained("e/kept", "x"))
	setRetained(t, s, lives("e/longer", 99*time.Second, 100))
	setRetained(t, s, lives("e/longer", 0, 100))
	setRetained(t, s, retained("e/shorter", "x"))
	setRetained(t, s, lives("e/shorter", 99*time.Second, 100))
	setRetained(t, s, lives("e/again", 99*time.Second, 100))
	setRetained(t, s, retained("e/late", "x"))
	setRetained(t, s, lives("e/late", time.Hour, 60)) // expired on its way
	setRetained(t, s, retained("e/zero", "x"))
	setRetained(t, s, lives("e/zero", 0, 0))
	wantRetained(t, s, "e/late", nil)
	wantRetained(t, s, "e/zero", nil)

	b.Pass(t, 1100*time.Millisecond)
	left := map[string]string{"e/long": "x", "e/kept": "x", "e/longer": "x"}
	for _, name := range []string{"short", "shorter", "again"} {
		wantRetained(t, s, "e/"+name, nil)
	}
	wantCount(t, s, len(left))
	wantMatches(t, s, left, []string{"e/+", "#", "+/short", "e/short", "e/kept"}, 1, 10)
	setRetained(t, s, retained("e/again", "y"))
	left["e/again"] = "y"
	for range 2 { // what was found missing is mended, what is there is not
		wantMatches(t, s, left, []string{"e/+", "#", "e/again"}, 1, 10)
	}
	if err := s.Set(ctx, retained("e/short", "")); err != nil {
		t.Error(err)
	}
	wantCount(t, s, len(left))
}

func retainInvalid(t *testing.T, b *RetainedBackend) {
	s, ctx := b.Open(t, RetainLimits{}), t.Context()
	for _, name := range []string{"", "a/+", "#", "a\x00b", "\xff", strings.Repeat("x", topic.MaxBytes+1)} {
		if s.Set(ctx, retained(name, "x")) == nil || s.Set(ctx, retained(name, "")) == nil {
			t.Errorf("%.20q was retained", name)
		}
	}
	for _, filter := range []string{"", "a/#/b", "a+", "$share/g", "\xff"} {
		if _, _, err := s.Match(ctx, filter, "", 10); err == nil {
			t.Errorf("%q was matched", filter)
		}
	}
	for _, c := range [][2]string{{"a/+", "x"}, {"a/+", "99:"}, {"#", "-1:a"}, {"#", "1000:"}, {"a", "1:"}, {"#", "0:" + strings.Repeat("x", 1<<20)}} {
		if _, _, err := s.Match(ctx, c[0], c[1], 10); !errors.Is(err, retain.ErrCursor) {
			t.Errorf("cursor %.20q of %q: %v", c[1], c[0], err)
		}
	}
	wantCount(t, s, 0)
}

func retainLimits(t *testing.T, b *RetainedBackend) {
	s, ctx := b.Open(t, RetainLimits{Count: 3, Payload: 10}), t.Context()
	for _, name := range []string{"a", "b/1", "b/2"} {
		setRetained(t, s, retained(name, "0123456789"))
	}
	refused := func(name, payload string, want error) {
		t.Helper()
		if err := s.Set(ctx, retained(name, payload)); !errors.Is(err, want) {
			t.Errorf("set %s: %v, want %v", name, err, want)
		}
	}
	for range 2 {
		refused("b/3", "x", retain.ErrLimit)
		refused("a", "0123456789a", retain.ErrTooLarge)
	}
	wantRetained(t, s, "a", retained("a", "0123456789"))
	setRetained(t, s, retained("a", "new"))
	setRetained(t, s, retained("c", ""))
	setRetained(t, s, retained("b/1", ""))
	setRetained(t, s, retained("b/3", "x"))
	refused("b/1", "x", retain.ErrLimit)
	other := b.Open(t, RetainLimits{Count: 3})
	setRetained(t, other, retained("b/3", ""))
	setRetained(t, s, retained("b/1", "x"))
	if err := other.Set(ctx, retained("d", "x")); !errors.Is(err, retain.ErrLimit) {
		t.Errorf("another instance: %v", err)
	}
	m := retained("b/1", "x")
	m.BornMillis, m.Properties = b.Now(t).UnixMilli(), message.Properties{HasExpiry: true, Expiry: 1}
	setRetained(t, s, m)
	b.Pass(t, 1100*time.Millisecond)
	setRetained(t, other, retained("d", "x")) // in the place of what has expired
	wantMatches(t, s, map[string]string{"a": "new", "b/2": "0123456789", "d": "x"}, []string{"#", "+"}, 10)
}
