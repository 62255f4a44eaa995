package metatest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
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

func hold(t *testing.T, s registry.Store, holds ...registry.Hold) {
	t.Helper()
	if err := s.Hold(t.Context(), holds); err != nil {
		t.Fatal(err)
	}
}

func release(t *testing.T, s registry.Store, holds ...registry.Hold) {
	t.Helper()
	if err := s.Release(t.Context(), holds); err != nil {
		t.Fatal(err)
	}
}

// view is what an instance makes of the registry: the wildcard filters it knows and where it stands.
type view struct {
	at      registry.Position
	filters map[string]bool
}

func snapshot(t *testing.T, s registry.Store) *view {
	t.Helper()
	at, filters, err := s.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	v := &view{at: at, filters: make(map[string]bool)}
	for _, f := range filters {
		v.filters[f] = true
	}
	return v
}

// follow applies what changed, and returns which exact filters are held.
func (v *view) follow(t *testing.T, s registry.Store, exact ...string) (registry.Update, []bool) {
	t.Helper()
	up, held, err := s.Check(t.Context(), v.at, exact)
	if err != nil {
		t.Fatal(err)
	}
	if len(held) != len(exact) {
		t.Fatalf("%d answers for %d filters", len(held), len(exact))
	}
	if up.Reload {
		*v = *snapshot(t, s)
		return up, held
	}
	for _, e := range up.Entries {
		if v.filters[e.Filter] == e.Added {
			t.Errorf("entry %+v changes nothing", e)
		}
		if e.Added {
			v.filters[e.Filter] = true
		} else {
			delete(v.filters, e.Filter)
		}
	}
	if len(up.Entries) == 0 && up.To != v.at {
		t.Errorf("from %v to %v without entries", v.at, up.To)
	}
	v.at = up.To
	return up, held
}

func (v *view) want(t *testing.T, filters ...string) {
	t.Helper()
	equal(t, "wildcard filters", sorted(slices.Collect(maps.Keys(v.filters))), sorted(filters))
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

func oddFilters(t *testing.T, b *Backend) {
	s := b.Open(t)
	var holds []registry.Hold
	var wild, exact []string
	for i, name := range oddNames() {
		for _, id := range oddNames()[:8] {
			holds = append(holds,
				registry.Hold{Filter: name, ClientID: id, Epoch: 1, Seq: uint64(i)},
				registry.Hold{Filter: name + "/+", ClientID: id, Epoch: 1, Seq: uint64(i)})
		}
		exact, wild = append(exact, name), append(wild, name+"/+")
	}
	v := snapshot(t, s)
	hold(t, s, holds...)
	v.follow(t, s)
	v.want(t, wild...)
	snapshot(t, s).want(t, wild...)
	_, held := v.follow(t, s, exact...)
	if slices.Contains(held, false) {
		t.Errorf("not all are held: %v", held)
	}
	release(t, s, holds[:len(holds)-1]...)
	v.follow(t, s)
	v.want(t, wild[len(wild)-1])
}

func pages(t *testing.T, b *Backend) {
	s := b.Open(t)
	var holds []registry.Hold
	want := make(map[string]bool)
	for i := range 300 {
		for _, f := range []string{fmt.Sprint("exact/", i), fmt.Sprint("wild/", i, "/#")} {
			holds = append(holds, registry.Hold{Filter: f, ClientID: "c", Epoch: 1, Seq: 1})
			want[f] = true
		}
		holds = append(holds, registry.Hold{Filter: "busy", ClientID: fmt.Sprint("c", i), Epoch: 1, Seq: uint64(i)})
	}
	want["busy"] = true
	hold(t, s, holds...)
	got := make(map[string]bool)
	for cursor, first := "", true; first || cursor != ""; first = false {
		page, next, err := s.Filters(t.Context(), cursor, 25)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page {
			got[f] = true
		}
		cursor = next
	}
	equal(t, "filters", got, want)
	if _, _, err := s.Filters(t.Context(), "nonsense", 10); err == nil {
		t.Error("a malformed cursor is taken")
	}
	clients := make(map[string]uint64)
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		page, next, err := s.Holders(t.Context(), "busy", cursor, 25)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range page {
			clients[h.ClientID] = h.Seq
		}
		cursor = next
	}
	if len(clients) != 300 || clients["c299"] != 299 {
		t.Errorf("%d holders", len(clients))
	}
}

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

// registryModel compares random operations with a map of maps.
func registryModel(t *testing.T, b *Backend) {
	stores := []Store{b.Open(t), b.Open(t)}
	random := rand.New(rand.NewPCG(1, 2))
	model := make(map[string]map[string]registry.Hold)
	v := snapshot(t, stores[0])
	older := func(a, b registry.Hold) bool { return a.Epoch < b.Epoch || (a.Epoch == b.Epoch && a.Seq < b.Seq) }
	for range 400 {
		s := stores[random.IntN(2)]
		hold := random.IntN(2) == 0
		var batch []registry.Hold
		for range 1 + random.IntN(4) {
			f := []string{"a", "b/c", "+", "#", "b/+", "d/#", "e"}[random.IntN(7)]
			h := registry.Hold{Filter: f, ClientID: fmt.Sprint(random.IntN(3)), Epoch: uint64(8 + random.IntN(4)), Seq: uint64(random.IntN(3))}
			batch = append(batch, h)
		}
		for _, h := range batch {
			old, there := model[h.Filter][h.ClientID]
			switch {
			case hold && (!there || older(old, h)):
				if model[h.Filter] == nil {
					model[h.Filter] = make(map[string]registry.Hold)
				}
				model[h.Filter][h.ClientID] = h
			case !hold && there && !older(h, old):
				delete(model[h.Filter], h.ClientID)
			}
		}
		var err error
		if hold {
			err = s.Hold(t.Context(), batch)
		} else {
			err = s.Release(t.Context(), batch)
		}
		if err != nil {
			t.Fatal(err)
		}
		if random.IntN(3) > 0 {
			continue
		}
		_, held := v.follow(t, s, "a", "b/c", "e")
		equal(t, "exact", held, []bool{len(model["a"]) > 0, len(model["b/c"]) > 0, len(model["e"]) > 0})
		var wild []string
		for f, by := range model {
			if len(by) > 0 && strings.ContainsAny(f, "+#") {
				wild = append(wild, f)
			}
		}
		v.want(t, wild...)
		snapshot(t, s).want(t, wild...)
		if t.Failed() {
			return
		}
	}
}

// concurrentHolders: once Hold has returned, a Check that begins then finds the filter.
func concurrentHolders(t *testing.T, b *Backend) {
	var wg sync.WaitGroup
	for i := range 4 {
		s := b.Open(t)
		wg.Go(func() {
			at, known, err := s.Snapshot(t.Context())
			filters := make(map[string]bool)
			for _, f := range known {
				filters[f] = true
			}
			for n := range 40 {
				if err != nil {
					t.Errorf("registry: %v", err)
					return
				}
				mine := registry.Hold{Filter: fmt.Sprint("w", n%7, "/#"), ClientID: fmt.Sprint(i), Epoch: 1, Seq: uint64(n)}
				exact := registry.Hold{Filter: fmt.Sprint("x", n%7), ClientID: fmt.Sprint(i), Epoch: 1, Seq: uint64(n)}
				if err = s.Hold(t.Context(), []registry.Hold{mine, exact}); err != nil {
					continue
				}
				up, held, failed := s.Check(t.Context(), at, []string{exact.Filter})
				if err = failed; err != nil {
					continue
				}
				for _, e := range up.Entries {
					filters[e.Filter] = e.Added
				}
				if at = up.To; up.Reload || !filters[mine.Filter] || !held[0] {
					t.Errorf("held but not found: %+v, %v", up, held)
				}
				err = s.Release(t.Context(), []registry.Hold{mine, exact})
			}
		})
	}
	wg.Wait()
	snapshot(t, b.Open(t)).want(t)
}
