package deliver

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"time"

	"lmqgate/meta/registry"
	"lmqgate/meta/topic"
)

// share is the group of a shared subscription as this instance serves it (architecture decision 7): its members here, and
// a popper for each broker, which asks for messages only while members have room for them.
//
// Lock order: Session.mu, Hub.mu, share.mu, keeper.mu.
type share struct {
	hub    *Hub
	name   string // the whole filter, `$share/group/filter`
	filter string
	lmq    string
	ctx    context.Context // ends when the last member here has left
	stop   context.CancelFunc
	users  int // members, and SUBSCRIBEs on their way; protected by Hub.mu
	again  chan struct{}
	begun  chan struct{} // closed when life, or failed, is set

	mu      sync.Mutex // protects the fields below, and those of its members
	room    *sync.Cond // for poppers: something that they may wait for has changed
	failed  error      // why the group cannot have members here
	life    registry.Life
	group   string // the RocketMQ consumer group of this life, "" while it is not known
	poppers []*popper
	line    list.List // of *member: those who have room, next first
	pending []*claim  // what no member had room for in the end; nothing is asked for meanwhile
	timer   *time.Timer
	acking  int // acknowledgements of messages that count in nobody's window
	closed  bool
}

// member is a subscription of a connected session as a member of its group.
type member struct {
	session *Session
	sub     *subscription
	share   *share

	// Protected by share.mu.
	at   *list.Element // in share.line, nil if it is not
	free int           // messages that it had room for when it was last asked
}

// useShare returns the share of a filter with one more user. Beyond limit shares no further one is made and nil returned.
func (h *Hub) useShare(name string, limit int) *share {
	h.mu.Lock()
	defer h.mu.Unlock()
	if sh := h.shares[name]; sh != nil {
		sh.users++
		return sh
	}
	if limit > 0 && len(h.shares) >= limit {
		return nil
	}
	_, filter, _, _ := topic.ParseShared(name)
	sh := &share{
		hub: h, name: name, filter: filter, lmq: topic.SharedLMQ(filter), users: 1,
		again: make(chan struct{}, 1), begun: make(chan struct{}),
	}
	sh.room = sync.NewCond(&sh.mu)
	sh.ctx, sh.stop = context.WithCancel(h.ctx)
	h.shares[name] = sh
	h.spawn(sh.run)
	return sh
}

// leaveShare counts one user less and ends the share with the last one.
func (h *Hub) leaveShare(sh *share) {
	h.mu.Lock()
	sh.users--
	last := sh.users == 0
	if last {
		delete(h.shares, sh.name)
	}
	h.mu.Unlock()
	if last {
		sh.close()
	}
}

// close ends the poppers and gives back what they had got.
func (sh *share) close() {
	sh.stop()
	sh.mu.Lock()
	sh.closed = true
	left := sh.pending
	sh.pending = nil
	if sh.timer != nil {
		sh.timer.Stop()
	}
	sh.room.Broadcast()
	sh.mu.Unlock()
	for _, c := range left {
		c.giveBack(nil)
	}
}

// allShares are those there are now.
func (h *Hub) allShares() []*share {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := make([]*share, 0, len(h.shares))
	for _, sh := range h.shares {
		list = append(list, sh)
	}
	return list
}

// open pops from each of the brokers from now on, once the group is known.
func (sh *share) open(brokers []string) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed || sh.group == "" {
		return
	}
	for _, b := range brokers {
		if slices.ContainsFunc(sh.poppers, func(p *popper) bool { return p.broker == b }) {
			continue
		}
		p := &popper{share: sh, broker: b, lanes: 1}
		sh.poppers = append(sh.poppers, p)
		sh.hub.spawn(func() { p.run(true) })
	}
}

// enlist notes that a member has room for free messages. If one waits for a member, it is returned instead. Called under
// Session.mu.
func (sh *share) enlist(m *member, free int) *claim {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if n := len(sh.pending); n > 0 {
		c := sh.pending[0]
		sh.pending[0] = nil
		if sh.pending = sh.pending[1:]; n == 1 {
			sh.pending = nil
		}
		return c
	}
	m.free = free
	if m.at == nil && !sh.closed {
		m.at = sh.line.PushBack(m)
	}
	sh.room.Broadcast()
	return nil
}

// next takes the member whose turn it is out of the line, nil if none has room.
func (sh *share) next() *member {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	first := sh.line.Front()
	if first == nil {
		return nil
	}
	m := sh.line.Remove(first).(*member)
	m.at = nil
	return m
}

// repark puts a parked message back.
func (sh *share) repark(c *claim) {
	sh.mu.Lock()
	closed := sh.closed
	if !closed {
		sh.pending = slices.Insert(sh.pending, 0, c)
	}
	sh.mu.Unlock()
	if closed {
		c.giveBack(nil)
	}
}

// delist takes a member out of the line for good.
func (sh *share) delist(m *member) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if m.at != nil {
		sh.line.Remove(m.at)
		m.at = nil
	}
}

// park keeps a message that nobody had room for until somebody has, for a while. parked is false if somebody has now, or
// nobody ever will here.
func (sh *share) park(c *claim) (parked, closed bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.closed || sh.line.Len() > 0 {
		return false, sh.closed
	}
	sh.pending = append(sh.pending, c)
	switch {
	case len(sh.pending) > 1:
	case sh.timer == nil:
		sh.timer = time.AfterFunc(parkTime, sh.unpark)
	default:
		sh.timer.Reset(parkTime)
	}
	return true, false
}

// parkTime is for how long a popped message waits for room with a member of this instance before others get it.
const parkTime = time.Second

// unpark gives back what has been parked.
func (sh *share) unpark() {
	sh.mu.Lock()
	left := sh.pending
	sh.pending = nil
	sh.room.Broadcast()
	sh.mu.Unlock()
	for _, c := range left {
		c.giveBack(nil)
	}
}
