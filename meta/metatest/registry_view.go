package metatest

import (
	"maps"
	"slices"
	"testing"

	"lmqgate/meta/registry"
)

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
