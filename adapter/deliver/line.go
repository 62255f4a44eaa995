package deliver

// line is a first-in-first-out list of cursors. A cursor that went elsewhere in the meantime is left in it: whoever
// takes one out looks at its place.
type line struct {
	list []*cursor
	head int
}

func (l *line) push(c *cursor) {
	if l.head > 32 && l.head > len(l.list)/2 {
		n := copy(l.list, l.list[l.head:])
		clear(l.list[n:])
		l.list, l.head = l.list[:n], 0
	}
	l.list = append(l.list, c)
}

// empty reports whether there is none to be taken.
func (l *line) empty() bool { return l.head == len(l.list) }

// pop takes the next cursor that stands at the place, nil if there is none.
func (l *line) pop(at place) *cursor {
	for l.head < len(l.list) {
		c := l.list[l.head]
		l.list[l.head] = nil
		l.head++
		if c.place == at {
			return c
		}
	}
	if l.list = l.list[:0]; cap(l.list) > 16 {
		l.list = nil
	}
	l.head = 0
	return nil
}
