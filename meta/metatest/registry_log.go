package metatest

import (
	"fmt"
	"maps"
	"testing"

	"lmqgate/meta/registry"
)

// MaxLog is how long the change log of a store under test may be at most.
const MaxLog = 1000

// logEnds: a position from before the log's first entry is answered with Reload, one within it with entries.
func logEnds(t *testing.T, b *Backend) {
	s := b.Open(t)
	start := snapshot(t, s)
	var holds []registry.Hold
	for i := range MaxLog {
		holds = append(holds, registry.Hold{Filter: fmt.Sprint("w/", i, "/#"), ClientID: "c", Epoch: 1, Seq: 1})
	}
	hold(t, s, holds[:1]...)
	second := *snapshot(t, s)
	hold(t, s, holds[1:]...)
	if up, _ := start.follow(t, s); up.Reload || len(up.Entries) != MaxLog {
		t.Errorf("within the log: reload %v, %d entries", up.Reload, len(up.Entries))
	}
	if len(start.filters) != MaxLog {
		t.Errorf("%d filters", len(start.filters))
	}
	release(t, s, holds[:2]...)
	if up, _, err := s.Check(t.Context(), second.at, nil); err != nil || !up.Reload || up.RolledBack {
		t.Errorf("before the log: %v, %+v", err, up)
	}
	if up, _ := second.follow(t, s); len(second.filters) != MaxLog-2 {
		t.Errorf("reloaded: %+v, %d filters", up, len(second.filters))
	}
}

func wild(name string) registry.Hold {
	return registry.Hold{Filter: name + "/#", ClientID: "c", Epoch: 1, Seq: 1}
}

func rolledBack(t *testing.T, b *Backend) {
	s := b.Open(t)
	hold(t, s, wild("kept"))
	restore := b.Save(t)
	v := snapshot(t, s)
	hold(t, s, wild("lost1"), wild("lost2"))
	v.follow(t, s)
	stands := *v

	restore()
	if up, _ := v.follow(t, s); !up.RolledBack || !up.Reload {
		t.Errorf("version below ours: %+v", up)
	}
	v.want(t, "kept/#")

	for _, n := range []int{2, 4} { // as far as we were with other tokens, and beyond
		restore()
		for i := range n {
			hold(t, s, wild(fmt.Sprint("new", i)))
		}
		old := view{at: stands.at, filters: maps.Clone(stands.filters)}
		if up, _ := old.follow(t, s); !up.RolledBack || !up.Reload {
			t.Errorf("another history of %d entries: %+v", n, up)
		}
		if len(old.filters) != n+1 {
			t.Errorf("reloaded %v", old.filters)
		}
	}
	hold(t, s, wild("later"))
	v = snapshot(t, s)
	if up, _ := v.follow(t, s); up.RolledBack {
		t.Errorf("a healthy log: %+v", up)
	}
}

// emptied: the store may also come back without anything.
func emptied(t *testing.T, b *Backend) {
	s := b.Open(t)
	restore := b.Save(t)
	hold(t, s, wild("a"), registry.Hold{Filter: "exact", ClientID: "c", Epoch: 1, Seq: 1})
	v := snapshot(t, s)
	restore()
	if up, held := v.follow(t, s, "exact"); !up.RolledBack || held[0] {
		t.Errorf("emptied: %+v, %v", up, held)
	}
	hold(t, s, wild("a"), registry.Hold{Filter: "exact", ClientID: "c", Epoch: 1, Seq: 1})
	_, held := v.follow(t, s, "exact")
	v.want(t, "a/#")
	equal(t, "held", held, []bool{true})
}

// lostExact: a failover may lose holdings that no log tells of, or that no check has seen. The instance that holds them
// learns it from one of its next checks, also when it has held other filters since.
func lostExact(t *testing.T, b *Backend) {
	s, other := b.Open(t), b.Open(t)
	hold(t, other, wild("others"))
	var lost []registry.Hold
	for i := range 30 { // as many places as a store may spread them over
		lost = append(lost, registry.Hold{Filter: fmt.Sprint("x/", i), ClientID: "c", Epoch: 1, Seq: 1})
	}
	hold(t, s, lost[0])
	learns := func(v *view) {
		t.Helper()
		for range 100 {
			if up, _ := v.follow(t, s); up.RolledBack {
				if !up.Reload {
					t.Error("rolled back without reload")
				}
				return
			}
		}
		t.Error("the loss was not noticed")
	}
	for name, holds := range map[string][]registry.Hold{"exact": lost[1:2], "many": lost[2:], "unseen wildcard": {wild("unseen")}} {
		for _, again := range []bool{false, true} {
			v := snapshot(t, s)
			restore := b.Save(t)
			hold(t, s, holds...)
			restore()
			if again { // what was held since then must not hide the loss
				hold(t, s, holds...)
				release(t, s, holds...)
			}
			learns(v)
			for range 100 {
				if up, _ := v.follow(t, s); up.RolledBack {
					t.Fatalf("%s: a loss is reported twice", name)
				}
			}
			release(t, s, holds...)
			if v := snapshot(t, other); v.filters == nil {
				t.Error("no snapshot")
			}
			for range 20 {
				if up, _, err := other.Check(t.Context(), snapshot(t, other).at, nil); err != nil || up.RolledBack {
					t.Fatalf("%s: another instance lost nothing: %v, %+v", name, err, up)
				}
			}
		}
	}
}
