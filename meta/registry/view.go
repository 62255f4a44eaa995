package registry

import (
	"slices"
	"time"

	"lmqgate/meta/topic"
)

// view is what the instance knows of the held filters: all wildcard filters as of a position, exact filters that were
// seen to be held a short while ago, and a cache of what matches recent topics. It belongs to one goroutine.
type view struct {
	at    Position
	tree  *topic.Tree[string]
	build uint64 // changes with the tree

	exactTTL    time.Duration
	size        int
	recent, old map[string]*remembered // two generations of at most size/2 topics each
}

// remembered is what is known of one topic.
type remembered struct {
	filters   []string // the topic itself, then the wildcard filters that match it
	build     uint64   // the tree that filters stands for
	heldUntil time.Time
}

func newView(exactTTL time.Duration, size int) *view {
	return &view{tree: new(topic.Tree[string]), exactTTL: exactTTL, size: size, build: 1, recent: make(map[string]*remembered)}
}

// load replaces all wildcard filters.
func (v *view) load(at Position, filters []string) {
	v.tree = new(topic.Tree[string])
	for _, f := range filters {
		v.tree.Add(f, f)
	}
	v.at = at
	v.build++
}

// apply takes over changes in their order.
func (v *view) apply(u Update) {
	changed := false
	for _, e := range u.Entries {
		if e.Added {
			changed = v.tree.Add(e.Filter, e.Filter) || changed
		} else {
			changed = v.tree.Remove(e.Filter, e.Filter) || changed
		}
	}
	if changed {
		v.build++
	}
	v.at = u.To
}

// knownHeld reports whether the exact filter was found held less than exactTTL ago.
func (v *view) knownHeld(name string, now time.Time) bool {
	m := v.lookup(name)
	return m != nil && now.Before(m.heldUntil)
}

// found remembers that a check begun at that time saw a holder of the exact filter.
func (v *view) found(name string, began time.Time) { v.entry(name).heldUntil = began.Add(v.exactTTL) }

// matching returns the wildcard filters that match the name, and the name itself first if its exact filter is held.
func (v *view) matching(name string, held bool) []string {
	m := v.entry(name)
	if m.build != v.build {
		filters := []string{name}
		v.tree.Match(name, func(f string) { filters = append(filters, f) })
		m.filters, m.build = slices.Clip(filters), v.build
	}
	if held {
		return m.filters
	}
	return m.filters[1:]
}

// entry finds or makes what is remembered of a topic.
func (v *view) entry(name string) *remembered {
	m := v.lookup(name)
	if m == nil {
		m = &remembered{}
		v.remember(name, m)
	}
	return m
}

// lookup finds a remembered topic and keeps it for another generation.
func (v *view) lookup(name string) *remembered {
	if m := v.recent[name]; m != nil {
		return m
	}
	m := v.old[name]
	if m != nil {
		v.remember(name, m)
	}
	return m
}

func (v *view) remember(name string, m *remembered) {
	if len(v.recent) >= max(v.size/2, 1) {
		v.old, v.recent = v.recent, make(map[string]*remembered)
	}
	v.recent[name] = m
}
