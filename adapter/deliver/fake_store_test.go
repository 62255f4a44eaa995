package deliver

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

var errNoRoute = errors.New("no route to the store")

// fakeStore keeps sessions in memory, fenced, with failures on call.
type fakeStore struct {
	mu       sync.Mutex // protects the fields below
	sessions map[string]*stored
	dead     map[connection]bool                           // writes of these connections get lost on the way
	fail     func(session.Change) (before, after bool)     // fail without, or after, applying
	wrote    func(id string, s *stored, c *session.Change) // nil: nobody looks
	writes   int
	done     map[[2]string]bool       // finished messages of groups, by filter and key
	asked    int                      // messages whose owner was asked for
	mute     error                    // what Owned and Finished answer
	past     map[string]session.Epoch // the last one of sessions that ended
}

// connection names one over the sessions of a client id.
type connection struct {
	clientID string
	epoch    session.Epoch
}

type stored struct {
	epoch   session.Epoch
	subs    map[string]session.Subscription
	cursors map[session.CursorKey]session.Cursor
	out     map[uint16]session.Outbound
	ids     uint64
}

func newFakeStore() *fakeStore {
	return &fakeStore{past: map[string]session.Epoch{}, sessions: map[string]*stored{}, dead: map[connection]bool{}}
}

// Attach implements session.Store.
func (f *fakeStore) Attach(_ context.Context, r session.AttachRequest) (session.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sessions[r.ClientID]
	present := s != nil
	if s == nil {
		s = &stored{
			subs: map[string]session.Subscription{}, cursors: map[session.CursorKey]session.Cursor{}, out: map[uint16]session.Outbound{},
		}
		f.sessions[r.ClientID] = s
	}
	s.epoch = max(s.epoch, f.past[r.ClientID]) + 1
	st := session.State{
		ClientID: r.ClientID, Epoch: s.epoch, Present: present, PacketIDs: s.ids, NextSeq: 1, NextOrder: 1,
		Subscriptions: slices.Collect(maps.Values(s.subs)), Cursors: slices.Collect(maps.Values(s.cursors)),
		Out: slices.Collect(maps.Values(s.out)),
	}
	slices.SortFunc(st.Out, func(a, b session.Outbound) int { return int(a.Order) - int(b.Order) })
	for _, sub := range st.Subscriptions {
		st.NextSeq = max(st.NextSeq, sub.Seq+1)
	}
	for _, o := range st.Out {
		st.NextOrder = max(st.NextOrder, o.Order+1)
	}
	return st, nil
}

// Write implements session.Store.
func (f *fakeStore) Write(_ context.Context, changes []session.Change) []error {
	time.Sleep(time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	errs := make([]error, len(changes))
	for i := range changes {
		errs[i] = f.write(&changes[i])
	}
	return errs
}

func (f *fakeStore) write(c *session.Change) error {
	s := f.sessions[c.ClientID]
	var before, after bool
	if f.fail != nil {
		before, after = f.fail(*c)
	}
	if before || f.dead[connection{c.ClientID, c.Epoch}] {
		return errNoRoute
	}
	if s == nil || s.epoch != c.Epoch {
		return session.ErrFenced
	}
	for _, filter := range c.DropSubs {
		delete(s.subs, filter)
	}
	for _, sub := range c.SetSubs {
		s.subs[sub.Filter] = sub
	}
	for _, k := range c.DropCursors {
		delete(s.cursors, k)
	}
	for _, cur := range c.SetCursors {
		s.cursors[cur.CursorKey] = cur
	}
	for _, id := range c.DropOut {
		delete(s.out, id)
	}
	for _, o := range c.SetOut {
		s.out[o.PacketID] = o
	}
	s.ids = max(s.ids, c.PacketIDs)
	if f.wrote != nil {
		f.wrote(c.ClientID, s, c)
	}
	if after {
		return errNoRoute
	}
	return nil
}

// Detach implements session.Store.
func (f *fakeStore) Detach(context.Context, string, session.Epoch, session.Parting) (session.Ended, error) {
	return session.Ended{}, nil
}

// fakeRegistry says which filters are held.
type fakeRegistry struct {
	registry.Store
	mu    sync.Mutex // protects the fields below
	holds map[[2]string]registry.Hold
	lives map[string]*fakeLife // of shared subscription groups, by whole filter
	ended func(filter string, l registry.Life)
	fail  error
}

func newFakeRegistry() *fakeRegistry {
	return &fakeRegistry{holds: map[[2]string]registry.Hold{}, lives: map[string]*fakeLife{}}
}

func newer(a, b registry.Hold) bool { return a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Seq > b.Seq }

// Hold implements registry.Store.
func (r *fakeRegistry) Hold(_ context.Context, holds []registry.Hold) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return r.fail
	}
	for _, h := range holds {
		if k := [2]string{h.Filter, h.ClientID}; !newer(r.holds[k], h) {
			r.holds[k] = h
		}
	}
	return nil
}

// Release implements registry.Store.
func (r *fakeRegistry) Release(_ context.Context, holds []registry.Hold) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range holds {
		if k := [2]string{h.Filter, h.ClientID}; !newer(r.holds[k], h) {
			delete(r.holds, k)
			r.left(h.Filter)
		}
	}
	return nil
}

func (r *fakeRegistry) failing(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

// match returns the LMQs of the held filters that match.
func (r *fakeRegistry) match(name string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lmqs []string
	for _, h := range r.holds {
		if _, filter, _, _ := topic.ParseShared(h.Filter); topic.Match(filter, name) {
			lmqs = append(lmqs, topic.LMQ(filter), topic.SharedLMQ(filter))
		}
	}
	slices.Sort(lmqs)
	return slices.Compact(lmqs)
}

// publish stores a message where it is to be read. parts splits its list, as a long one is.
func publish(l *fakeLog, r *fakeRegistry, broker string, m *message.Message, parts bool) {
	lmqs := r.match(m.Topic)
	if len(lmqs) == 0 {
		return
	}
	if !parts || len(lmqs) < 2 {
		l.add(broker, m, lmqs)
		return
	}
	half := len(lmqs) / 2
	l.add(broker, m, lmqs[:half], lmqs[half:])
}
