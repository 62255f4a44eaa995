package metatest

import (
	"fmt"
	"testing"

	"lmqgate/meta/registry"
)

// Registry is the contract of registry.Store.
func Registry(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, *Backend){
		"Holders":    holders,
		"Tags":       tags,
		"OddNames":   oddFilters,
		"Pages":      pages,
		"LogEnds":    logEnds,
		"RolledBack": rolledBack,
		"Emptied":    emptied,
		"LostExact":  lostExact,
		"Model":      registryModel,
		"Concurrent": concurrentHolders,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func holders(t *testing.T, b *Backend) {
	s, other := b.Open(t), b.Open(t)
	v := snapshot(t, s)
	v.want(t)
	_, held := v.follow(t, s, "a/b", "a/c")
	equal(t, "held", held, []bool{false, false})
	hold(t, s, registry.Hold{Filter: "a/b", ClientID: "c1", Epoch: 1, Seq: 1}, registry.Hold{Filter: "a/+", ClientID: "c1", Epoch: 1, Seq: 2})
	hold(t, other, registry.Hold{Filter: "a/b", ClientID: "c2", Epoch: 1, Seq: 1}, registry.Hold{Filter: "a/+", ClientID: "c2", Epoch: 1, Seq: 2})
	up, held := v.follow(t, other, "a/c", "a/b", "a/c", "a/b")
	equal(t, "held", held, []bool{false, true, false, true})
	equal(t, "entries", up.Entries, []registry.Entry{{Filter: "a/+", Added: true}})
	release(t, s, registry.Hold{Filter: "a/b", ClientID: "c1", Epoch: 1, Seq: 1}, registry.Hold{Filter: "a/+", ClientID: "c1", Epoch: 1, Seq: 2})
	up, held = v.follow(t, s, "a/b")
	if len(up.Entries) > 0 || !held[0] {
		t.Errorf("one of two holders went: %+v, %v", up, held)
	}
	for range 2 {
		release(t, s, registry.Hold{Filter: "a/b", ClientID: "c2", Epoch: 1, Seq: 1}, registry.Hold{Filter: "a/+", ClientID: "c2", Epoch: 1, Seq: 2})
	}
	up, held = v.follow(t, s, "a/b")
	if held[0] {
		t.Error("exact filter is held by nobody")
	}
	equal(t, "entries", up.Entries, []registry.Entry{{Filter: "a/+"}})
	v.want(t)
}

// tags: an old owner can neither remove nor set back a new owner's holding.
func tags(t *testing.T, b *Backend) {
	s := b.Open(t)
	const big = 1<<53 - 1
	for _, f := range []string{"exact", "wild/#"} {
		h := func(epoch, seq uint64) registry.Hold {
			return registry.Hold{Filter: f, ClientID: "c", Epoch: epoch, Seq: seq}
		}
		for _, step := range []struct {
			hold bool
			registry.Hold
			want string
		}{
			{true, h(big-1, 1), "9007199254740990.1"},
			{false, h(big-2, 1<<63), "9007199254740990.1"},
			{false, h(big-1, 0), "9007199254740990.1"},
			{true, h(9, 9), "9007199254740990.1"},
			{true, h(big, 9), "9007199254740991.9"},
			{true, h(big, 10), "9007199254740991.10"},
			{false, h(big, 9), "9007199254740991.10"},
			{true, h(big, 1<<64-2), "9007199254740991.18446744073709551614"},
			{false, h(big, 1<<64-3), "9007199254740991.18446744073709551614"},
			{false, h(big, 1<<64-1), ""},
			{true, h(3, 3), "3.3"},
			{false, h(3, 3), ""},
		} {
			if step.hold {
				hold(t, s, step.Hold)
			} else {
				release(t, s, step.Hold)
			}
			all, _, err := s.Holders(t.Context(), f, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, h := range all {
				got += fmt.Sprint(h.Epoch, ".", h.Seq)
			}
			if got != step.want {
				t.Errorf("%s after %+v: %q", f, step, got)
			}
		}
	}
	hold(t, s, registry.Hold{Filter: "x", ClientID: "c", Epoch: 5, Seq: 7}, registry.Hold{Filter: "x", ClientID: "c", Epoch: 5, Seq: 6})
	release(t, s, registry.Hold{Filter: "x", ClientID: "c", Epoch: 5, Seq: 6})
	if _, held := snapshot(t, s).follow(t, s, "x"); !held[0] {
		t.Error("of two tags in one call the older was kept")
	}
}
