package client

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

var errNoRoute = errors.New("no route to the store")

// fakeStore keeps sessions in memory, fenced. What a call does besides is up to the hooks, which may sleep.
type fakeStore struct {
	session.Sweeper
	session.Viewer
	registry.Store

	mu       sync.Mutex // protects the fields below
	sessions map[string]*stored
	epoch    session.Epoch
	words    func(instance string, w session.Word) // nil: words get lost
	detaches []string
	partings []string          // client id and how it parted
	wills    []session.DueWill // handed out by the next Attach or Detach
	given    map[string]*session.Will
	users    map[string]string
	away     bool                     // Attach and Detach fail
	epochs   map[session.Epoch]string // user names of attached sessions
	tried    map[session.Epoch]int    // calls of Detach
	parting  map[session.Epoch]string // of those that had an effect
	due      []string                 // keys of the wills that were handed on
	settled  []string
	released []registry.Hold

	// Hooks; nil does nothing. The first result fails the call before, the second after it was carried out.
	onAttach func(session.AttachRequest) (before, after error)
	onDetach func(id string) error
	onWrite  func(session.Change) (before, after error)
}

// stored is one session.
type stored struct {
	epoch  session.Epoch
	owner  string
	expiry time.Duration
	subs   []session.Subscription
	in     map[uint16]session.Inbound
}

// publish is Deps.Wills.
func (f *fakeStore) publish(wills []session.DueWill) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range wills {
		f.due = append(f.due, w.Message.Key)
	}
}

// parted are the ends of connections since the last call.
func (f *fakeStore) parted() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.partings
	f.partings = nil
	return p
}

func newFakeStore() *fakeStore {
	return &fakeStore{
		sessions: map[string]*stored{}, given: map[string]*session.Will{}, users: map[string]string{},
		epochs: map[session.Epoch]string{}, tried: map[session.Epoch]int{}, parting: map[session.Epoch]string{},
	}
}

func (f *fakeStore) Attach(_ context.Context, r session.AttachRequest) (session.State, error) {
	var before, after error
	if f.onAttach != nil {
		before, after = f.onAttach(r)
	}
	if before != nil {
		return session.State{}, before
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.away {
		return session.State{}, errNoRoute
	}
	s := f.sessions[r.ClientID]
	st := session.State{ClientID: r.ClientID, NextSeq: 1, NextOrder: 1}
	if s != nil && s.owner != "" {
		st.Previous = &session.Owner{Instance: s.owner, Epoch: s.epoch}
	}
	if s == nil || r.CleanStart || s.owner != "" && s.expiry == 0 {
		if s != nil {
			st.Discarded = s.subs
		}
		s = &stored{in: map[uint16]session.Inbound{}}
		f.sessions[r.ClientID] = s
	} else {
		st.Present = true
	}
	f.epoch++
	f.epochs[f.epoch] = r.Username
	s.epoch, s.owner, s.expiry = f.epoch, r.Instance, r.Expiry
	st.Wills, f.wills = f.wills, nil
	f.given[r.ClientID], f.users[r.ClientID] = r.Will, r.Username
	st.Epoch, st.Subscriptions, st.In = s.epoch, s.subs, slices.Collect(maps.Values(s.in))
	return st, after
}

func (f *fakeStore) Write(_ context.Context, changes []session.Change) []error {
	errs := make([]error, len(changes))
	for i, c := range changes {
		errs[i] = f.write(c)
	}
	return errs
}

func (f *fakeStore) write(c session.Change) error {
	var before, after error
	if f.onWrite != nil {
		before, after = f.onWrite(c)
	}
	if before != nil {
		return before
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sessions[c.ClientID]
	if s == nil || s.epoch != c.Epoch || s.owner == "" {
		return session.ErrFenced
	}
	for _, id := range c.DropIn {
		delete(s.in, id)
	}
	for _, in := range c.SetIn {
		s.in[in.PacketID] = in
	}
	s.subs = append(s.subs, c.SetSubs...)
	if c.Expiry != nil {
		s.expiry = *c.Expiry
	}
	return after
}

func (f *fakeStore) Detach(_ context.Context, id string, e session.Epoch, p session.Parting) (session.Ended, error) {
	if f.onDetach != nil {
		if err := f.onDetach(id); err != nil {
			return session.Ended{}, err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tried[e]++
	if f.away {
		return session.Ended{}, errNoRoute
	}
	s := f.sessions[id]
	if s == nil || s.epoch != e {
		return session.Ended{}, session.ErrFenced
	}
	f.detaches = append(f.detaches, id)
	how := []string{"lost", "clean", "moved"}[p]
	f.partings, f.parting[e] = append(f.partings, id+" "+how), how
	s.owner = ""
	ended := session.Ended{ClientID: id, Wills: f.wills}
	f.wills = nil
	if s.expiry > 0 {
		return ended, nil
	}
	delete(f.sessions, id)
	ended.Over, ended.Subscriptions = true, s.subs
	return ended, nil
}

func (f *fakeStore) Peek(_ context.Context, id string) (session.Info, session.State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sessions[id]
	if s == nil {
		return session.Info{}, session.State{}, session.ErrNotFound
	}
	return session.Info{ClientID: id, Epoch: s.epoch, Connected: s.owner != "", Instance: s.owner}, session.State{}, nil
}

func (f *fakeStore) Settled(_ context.Context, ids []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = append(f.settled, ids...)
	return nil
}

func (f *fakeStore) Release(_ context.Context, holds []registry.Hold) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.released = append(f.released, holds...)
	return nil
}

func (f *fakeStore) Tell(_ context.Context, instance string, w session.Word) error {
	if f.words != nil {
		f.words(instance, w)
	}
	return nil
}

func (f *fakeStore) Listen(context.Context, string, func(session.Word)) error { return nil }

// owner is who owns a session, "" if nobody does.
func (f *fakeStore) owner(id string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.sessions[id]; s != nil {
		return s.owner
	}
	return ""
}

// received are the QoS 2 packet ids of a session.
func (f *fakeStore) received(id string) []uint16 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.sessions[id]; s != nil {
		return slices.Sorted(maps.Keys(s.in))
	}
	return nil
}
