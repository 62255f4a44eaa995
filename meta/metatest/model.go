package metatest

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// model is a session as the contract says it should be.
type model struct {
	epoch    session.Epoch
	owner    string // "" = detached
	expiry   time.Duration
	subs     map[string]session.Subscription
	cursors  map[session.CursorKey]session.Cursor
	out      map[uint16]session.Outbound
	in       map[uint16]session.Inbound
	ids      uint64
	unending []session.Subscription // of an ended session that was not settled
}

func newModel() *model {
	return &model{
		subs: map[string]session.Subscription{}, cursors: map[session.CursorKey]session.Cursor{},
		out: map[uint16]session.Outbound{}, in: map[uint16]session.Inbound{},
	}
}

func (m *model) apply(c *session.Change) {
	for _, f := range c.DropSubs {
		delete(m.subs, f)
	}
	for _, s := range c.SetSubs {
		m.subs[s.Filter] = s
	}
	for _, k := range c.DropCursors {
		delete(m.cursors, k)
	}
	for _, cur := range c.SetCursors {
		m.cursors[cur.CursorKey] = cur
	}
	for _, id := range c.DropOut {
		delete(m.out, id)
	}
	for _, o := range c.SetOut {
		m.out[o.PacketID] = o
	}
	for _, id := range c.DropIn {
		delete(m.in, id)
	}
	for _, in := range c.SetIn {
		m.in[in.PacketID] = in
	}
	m.ids = max(m.ids, c.PacketIDs)
	if c.Expiry != nil {
		m.expiry = *c.Expiry
	}
}

func (m *model) state(clientID string) session.State {
	st := session.State{
		ClientID: clientID, Epoch: m.epoch, Present: true, Subscriptions: slices.Collect(maps.Values(m.subs)),
		Cursors: slices.Collect(maps.Values(m.cursors)), Out: slices.Collect(maps.Values(m.out)),
		In: slices.Collect(maps.Values(m.in)), PacketIDs: m.ids, NextSeq: 1, NextOrder: 1,
	}
	slices.SortFunc(st.Out, func(a, b session.Outbound) int { return int(a.Order) - int(b.Order) })
	for _, s := range st.Subscriptions {
		st.NextSeq = max(st.NextSeq, s.Seq+1)
	}
	for _, o := range st.Out {
		st.NextOrder = max(st.NextOrder, o.Order+1)
	}
	return st
}

// modelTest runs random operations on a few sessions and on their models.
func modelTest(t *testing.T, b *Backend) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := &walk{
				stores: []Store{b.Open(t), b.Open(t)}, models: make(map[string]*model), epochs: make(map[string][]session.Epoch),
				random: rand.New(rand.NewPCG(seed, 1)), prefix: fmt.Sprint(seed, "-"),
			}
			for step := 0; step < 250 && !t.Failed(); step++ {
				b.Pass(t, time.Microsecond)
				w.step(t)
			}
		})
	}
}

type walk struct {
	stores []Store
	models map[string]*model // nil = no session
	epochs map[string][]session.Epoch
	random *rand.Rand
	prefix string
	order  uint64
}

func (w *walk) step(t *testing.T) {
	id := w.prefix + string(rune('a'+w.random.IntN(4)))
	s := w.stores[w.random.IntN(len(w.stores))]
	switch n := w.random.IntN(10); {
	case n < 3 || len(w.epochs[id]) == 0:
		w.attach(t, s, id)
	case n < 5:
		w.detach(t, s, id)
	default:
		w.write(t, s, id)
	}
}

func (w *walk) attach(t *testing.T, s Store, id string) {
	r := session.AttachRequest{
		ClientID: id, Instance: fmt.Sprint("i", w.random.IntN(3)), CleanStart: w.random.IntN(4) == 0,
		Expiry: []time.Duration{0, time.Hour, session.Never}[w.random.IntN(3)], Protocol: 5,
	}
	got := attach(t, s, r)
	var want session.State
	m := w.models[id]
	var previous *session.Owner
	switch {
	case m != nil && m.owner != "":
		previous = &session.Owner{Instance: m.owner, Epoch: m.epoch}
	}
	if m == nil || r.CleanStart || m.unending != nil || (m.owner != "" && m.expiry == 0) {
		old := m
		m = newModel()
		want = m.state(id)
		want.Present = false
		if old != nil {
			want.Discarded = old.unending
			if old.unending == nil {
				want.Discarded = old.state(id).Subscriptions
			}
		}
	} else {
		want = m.state(id)
	}
	if old := w.epochs[id]; len(old) > 0 && got.Epoch <= old[len(old)-1] {
		t.Errorf("epoch %d after %d", got.Epoch, old[len(old)-1])
	}
	want.Previous, want.Epoch = previous, got.Epoch
	m.epoch, m.owner, m.expiry = got.Epoch, r.Instance, r.Expiry
	w.models[id], w.epochs[id] = m, append(w.epochs[id], got.Epoch)
	equal(t, "attach", got, want)
}

// epoch is mostly the current one.
func (w *walk) epoch(id string) session.Epoch {
	all := w.epochs[id]
	if w.random.IntN(3) == 0 {
		return all[w.random.IntN(len(all))]
	}
	return all[len(all)-1]
}

func (w *walk) detach(t *testing.T, s Store, id string) {
	e := w.epoch(id)
	ended, err := s.Detach(t.Context(), id, e, session.PartingLost)
	m := w.models[id]
	if m == nil || m.epoch != e {
		if !errors.Is(err, session.ErrFenced) {
			t.Errorf("detach with epoch %d: %v, want it fenced", e, err)
		}
		return
	}
	if err != nil {
		t.Errorf("detach: %v", err)
	}
	want := session.Ended{ClientID: id, Over: m.unending != nil, Subscriptions: m.unending}
	if m.owner != "" && m.expiry == 0 {
		want.Over, want.Subscriptions = true, m.state(id).Subscriptions
		m.unending = append([]session.Subscription{}, want.Subscriptions...)
	}
	m.owner = ""
	equal(t, "detach", ended, want)
	if m.unending != nil && w.random.IntN(2) == 0 {
		if err := s.Settled(t.Context(), []string{id}); err != nil {
			t.Errorf("settle: %v", err)
		}
		w.models[id] = nil
	}
}

func (w *walk) write(t *testing.T, s Store, id string) {
	c := w.change(id)
	err := s.Write(t.Context(), []session.Change{c})[0]
	m := w.models[id]
	if m == nil || m.epoch != c.Epoch || m.owner == "" {
		if !errors.Is(err, session.ErrFenced) && !c.Empty() {
			t.Errorf("write with epoch %d: %v, want it fenced", c.Epoch, err)
		}
	} else if err != nil {
		t.Errorf("write: %v", err)
	} else {
		m.apply(&c)
	}
	if m == nil || m.unending != nil {
		return
	}
	_, got, err := s.Peek(t.Context(), id)
	if err != nil {
		t.Errorf("peek: %v", err)
	}
	equal(t, "after write", got, m.state(id))
}

func (w *walk) change(id string) session.Change {
	c := session.Change{ClientID: id, Epoch: w.epoch(id)}
	n := func(limit int) int { return w.random.IntN(limit) }
	for range n(3) {
		c.DropSubs = append(c.DropSubs, fmt.Sprint("f", n(5)))
		c.DropOut = append(c.DropOut, uint16(n(5)))
	}
	filters := make(map[string]bool)
	for range n(4) {
		f := fmt.Sprint("f", n(5))
		if !filters[f] {
			c.SetSubs = append(c.SetSubs, session.Subscription{Filter: f, QoS: byte(n(3)), ID: uint32(n(9)), Seq: uint64(n(100))})
		}
		filters[f] = true
	}
	if n(2) == 0 {
		k := session.CursorKey{Filter: fmt.Sprint("f", n(3)), Broker: fmt.Sprint("b", n(2))}
		c.DropCursors = append(c.DropCursors, k)
		k.Broker = fmt.Sprint("b", n(2))
		c.SetCursors = append(c.SetCursors, session.Cursor{CursorKey: k, Next: int64(n(100)), Acked: []session.Range{{First: 101, Last: int64(101 + n(9))}}})
	}
	for range n(2) {
		w.order++
		c.SetOut = append(c.SetOut, session.Outbound{PacketID: uint16(n(5)), Order: w.order, QoS: 1, State: session.OutSent, Offset: int64(n(50))})
	}
	if n(3) == 0 {
		c.SetIn = append(c.SetIn, session.Inbound{PacketID: uint16(n(4)), Key: "k", Queue: n(3), Done: n(2) == 0})
		c.DropIn = append(c.DropIn, uint16(n(4)))
		c.PacketIDs = uint64(n(1000))
	}
	if n(6) == 0 {
		expiry := []time.Duration{0, time.Minute, session.Never}[n(3)]
		c.Expiry = &expiry
	}
	return c
}
