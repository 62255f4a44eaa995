package topic

import "strings"

// Tree holds values under topic filters, exact and with wildcards, and finds those whose filter matches a name. The zero
// value is empty and ready. Concurrent Match calls are safe as long as nothing is added or removed meanwhile.
//
// Each level of a filter is a node, so memory grows with Levels: bound them before Add.
type Tree[T comparable] struct {
	root node[T]
	len  int
}

// node is one level. Values whose filter ends here are in here; those of a filter ending in "/#" behind this level are
// in hash, since they also match this level itself.
type node[T comparable] struct {
	children map[string]*node[T]
	plus     *node[T]
	here     set[T]
	hash     set[T]
}

// Len returns the number of (filter, value) pairs.
func (t *Tree[T]) Len() int { return t.len }

// Add puts v under a valid filter (without `$share/<group>/`) and reports whether it was not there yet.
func (t *Tree[T]) Add(filter string, v T) bool {
	n := &t.root
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		if level == "#" && !more {
			return t.count(n.hash.add(v), 1)
		}
		n = n.grow(level)
	}
	return t.count(n.here.add(v), 1)
}

// Remove takes v from under the filter and reports whether it was there. Levels left empty are freed.
func (t *Tree[T]) Remove(filter string, v T) bool {
	return t.count(t.root.remove(filter, true, v), -1)
}

// Match calls fn with each value whose filter matches the valid name, by the rules of the function Match. A value under
// several matching filters is given once for each. fn must not change the tree. Match does not allocate.
func (t *Tree[T]) Match(name string, fn func(v T)) {
	if t.len == 0 {
		return
	}
	if strings.HasPrefix(name, "$") { // [MQTT-4.7.2-1]
		level, rest, more := strings.Cut(name, "/")
		if c := t.root.children[level]; c != nil {
			c.match(rest, more, fn)
		}
		return
	}
	t.root.match(name, true, fn)
}

func (t *Tree[T]) count(changed bool, by int) bool {
	if changed {
		t.len += by
	}
	return changed
}

// match visits n, which stands for the levels consumed so far; rest is what follows if more is set.
func (n *node[T]) match(rest string, more bool, fn func(v T)) {
	n.hash.each(fn)
	if !more {
		n.here.each(fn)
		return
	}
	level, rest, more := strings.Cut(rest, "/")
	if c := n.children[level]; c != nil {
		c.match(rest, more, fn)
	}
	if n.plus != nil {
		n.plus.match(rest, more, fn)
	}
}

// grow returns the node of the level below n, making it if needed.
func (n *node[T]) grow(level string) *node[T] {
	if level == "+" {
		if n.plus == nil {
			n.plus = new(node[T])
		}
		return n.plus
	}
	c := n.children[level]
	if c == nil {
		c = new(node[T])
		if n.children == nil {
			n.children = make(map[string]*node[T])
		}
		n.children[strings.Clone(level)] = c
	}
	return c
}

// remove takes v from under the filter's remaining levels and frees nodes that became empty.
func (n *node[T]) remove(rest string, more bool, v T) bool {
	if !more {
		return n.here.remove(v)
	}
	level, rest, more := strings.Cut(rest, "/")
	switch level {
	case "#":
		return !more && n.hash.remove(v)
	case "+":
		if n.plus == nil || !n.plus.remove(rest, more, v) {
			return false
		}
		if n.plus.empty() {
			n.plus = nil
		}
	default:
		c := n.children[level]
		if c == nil || !c.remove(rest, more, v) {
			return false
		}
		if c.empty() {
			delete(n.children, level)
		}
	}
	return true
}

func (n *node[T]) empty() bool {
	return len(n.children) == 0 && n.plus == nil && len(n.here.list) == 0 && len(n.hash.list) == 0
}
