package metatest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"lmqgate/meta/registry"
)

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
