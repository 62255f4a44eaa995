package deliver

// follower waits for whoever delivers a message to be done with it.
type follower struct {
	cursor *cursor
	offset int64 // in the follower's LMQ
	era    uint32
}

// follow has c wait for the owner of a message: it steps over it in memory only, its floor waits.
func (c *cursor) follow(e *Entry) follower {
	c.note(e, pendElsewhere)
	return follower{c, e.Offset, c.era}
}

func (f follower) finish() {
	if f.cursor.era == f.era {
		f.cursor.finish(f.offset)
	}
}

// redo rewinds the cursor to a message whose owner went away before it delivered.
func (f follower) redo() {
	c := f.cursor
	p := c.find(f.offset)
	if c.era != f.era || p == nil || p.state != pendElsewhere {
		return
	}
	p.state = pendRedo
	if f.offset < c.next {
		c.next, c.behind = f.offset, true
		c.dropLocal()
	}
	switch c.place {
	case atQueue:
		c.q.forget(c)
	case atRest, atCrowded, atUnsure:
	default:
		return // looks at c.next when its turn comes
	}
	c.place = atRest
	c.session.enqueue(c)
}

// tell lets the followers of the message at offset know that it is done.
func (c *cursor) tell(offset int64) {
	if len(c.followers) == 0 {
		return
	}
	list := c.followers[offset]
	delete(c.followers, offset)
	for _, f := range list {
		f.finish()
	}
}

// release sends the followers of the given offsets to look for themselves.
func (c *cursor) release(which func(offset int64) bool) {
	for offset, list := range c.followers {
		if !which(offset) {
			continue
		}
		delete(c.followers, offset)
		for _, f := range list {
			f.redo()
		}
	}
}
