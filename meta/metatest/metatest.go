// Package metatest is the contract of the stores in meta: one suite for each interface, run against every
// implementation. A suite opens a fresh, empty store for each of its tests.
package metatest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Store is an implementation of everything in meta/session and of the registry.
type Store interface {
	session.Store
	session.Instances
	session.Sweeper
	session.Words
	session.Wills
	session.Viewer
	session.Amender
	session.Asker
	registry.Store
	registry.Groups
	registry.Owners
}

// Backend is one set of data under test, and what a test does to it from outside.
type Backend struct {
	// Open opens a further store on the same data, as another instance would.
	Open func(t *testing.T) Store
	// Now reads the store's clock.
	Now func(t *testing.T) time.Time
	// Pass returns when the store's clock has advanced by at least d; tests keep d short, it may be real time.
	Pass func(t *testing.T, d time.Duration)
	// Jumps says that Pass takes no time, so that d may be long.
	Jumps bool
	// Save remembers the data; the function it returns brings them back, as a failover to a stale replica would.
	Save func(t *testing.T) (restore func())
	// Grace is how long an ended session may stay unsettled before it is handed out again.
	Grace time.Duration
}

// Opener makes a backend without data.
type Opener func(t *testing.T) *Backend

// same compares states and their parts without regard to the order of what has none.
var same = cmp.Options{
	cmpopts.EquateEmpty(),
	cmpopts.SortSlices(func(a, b session.Subscription) bool { return a.Filter < b.Filter }),
	cmpopts.SortSlices(func(a, b session.Cursor) bool { return fmt.Sprint(a.CursorKey) < fmt.Sprint(b.CursorKey) }),
	cmpopts.SortSlices(func(a, b session.Inbound) bool { return a.PacketID < b.PacketID }),
	cmpopts.SortSlices(func(a, b session.Ended) bool { return a.ClientID < b.ClientID }),
	cmpopts.SortSlices(func(a, b string) bool { return a < b }),
}

func attach(t *testing.T, s session.Store, r session.AttachRequest) session.State {
	t.Helper()
	if r.Instance == "" {
		r.Instance = "i1"
	}
	st, err := s.Attach(t.Context(), r)
	if err != nil {
		t.Fatalf("attach %q: %v", r.ClientID, err)
	}
	return st
}

func write(t *testing.T, s session.Store, c session.Change) {
	t.Helper()
	if err := s.Write(t.Context(), []session.Change{c})[0]; err != nil {
		t.Fatalf("write %q: %v", c.ClientID, err)
	}
}

func detach(t *testing.T, s session.Store, clientID string, e session.Epoch) session.Ended {
	t.Helper()
	ended, err := s.Detach(t.Context(), clientID, e, session.PartingLost)
	if err != nil {
		t.Fatalf("detach %q: %v", clientID, err)
	}
	return ended
}

func sub(filter string, seq uint64) session.Subscription {
	return session.Subscription{Filter: filter, QoS: 1, Seq: seq, HoldEpoch: 5, HoldSeq: seq}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got, same); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// oddNames are client ids and filters that must not be mistaken for structure.
func oddNames() []string {
	return []string{
		"a", "", "{", "}", "{}", "}{", "{a}", "a}b", "%", "%7B", "%7D", "a%25", "a b", "a:sub", "a}:sub", "*", "[a]", "a\\b",
		"客户端", "\u00e9", "e\u0301", "😀", "x\ny", "\u0001", "inst", "due", strings.Repeat("長", 400), strings.Repeat("}", 300),
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
