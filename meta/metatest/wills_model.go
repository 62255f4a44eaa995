package metatest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// span is a moment that lies between two, in ms: a real clock goes on while the store works.
type span struct{ lo, hi int64 }

func (s span) add(d time.Duration) span {
	return span{s.lo + d.Milliseconds(), s.hi + d.Milliseconds()}
}

// come reports whether the moment has come, and whether that is certain.
func (s span) come(now span) (come, certain bool) {
	return s.hi <= now.lo, s.hi <= now.lo || s.lo > now.hi
}

// phase is where a will stands.
type phase byte

const (
	live    phase = iota // of a connection
	delayed              // until at, unless the session is resumed
	kept                 // until at, unless the client returns
	claimed              // until at
	over                 // deleted, or published
)

// tracked is a will as the contract says it should be.
type tracked struct {
	client string
	delay  time.Duration
	phase  phase
	at     span
	claim  session.DueWill // the last one
	placed *message.Place
}

// holder is a client id of the model: its last connection.
type holder struct {
	epoch  session.Epoch
	owner  string // "" = detached
	expiry time.Duration
	will   string // key, "" = none
}

// willWalk does random things with wills of a few clients and checks each that is handed out, and each that is not.
type willWalk struct {
	b       *Backend
	stores  []Store
	random  *rand.Rand
	prefix  string
	n       int
	skew    time.Duration // by which the sweeps are ahead of the store's clock
	wills   map[string]*tracked
	holders map[string]*holder
	claims  []session.DueWill // all that were ever given
	counts  map[string]int    // of what happened, for the log
}

func willsModel(t *testing.T, b *Backend) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			w := &willWalk{
				b: b, stores: []Store{b.Open(t), b.Open(t)}, random: rand.New(rand.NewPCG(seed, 2)), prefix: fmt.Sprint(seed, "-"),
				wills: make(map[string]*tracked), holders: make(map[string]*holder), counts: make(map[string]int),
			}
			for step := 0; step < 400 && !t.Failed(); step++ {
				w.step(t)
			}
			w.finish(t)
			t.Log(w.counts)
		})
	}
}

func (w *willWalk) pick(n int) int { return w.random.IntN(n) }

func (w *willWalk) store() Store { return w.stores[w.pick(len(w.stores))] }

func (w *willWalk) step(t *testing.T) {
	w.b.Pass(t, time.Microsecond)
	id := w.prefix + string(rune('a'+w.pick(4)))
	switch n := w.pick(20); {
	case n < 6 || w.holders[id] == nil:
		w.attach(t, id)
	case n < 11:
		w.detach(t, id)
	case n < 12:
		w.change(t, id)
	case n < 13:
		w.die(t, fmt.Sprint(w.prefix, "i", w.pick(3)))
	case n < 16:
		w.sweep(t)
	case n < 18:
		w.place(t)
	case n < 19:
		w.done(t)
	default:
		w.pass(t)
	}
}

// during runs fn and says when.
func (w *willWalk) during(t *testing.T, fn func()) span {
	before := w.b.Now(t).UnixMilli()
	fn()
	return span{before, w.b.Now(t).UnixMilli()}
}

func (w *willWalk) pass(t *testing.T) {
	if !w.b.Jumps {
		w.b.Pass(t, time.Duration(w.pick(3))*time.Millisecond)
		w.skew += time.Duration(w.pick(10)) * time.Second
		return
	}
	w.b.Pass(t, []time.Duration{2 * time.Millisecond, time.Second, 8 * time.Second, 16 * time.Second, 35 * time.Second}[w.pick(5)])
}

func (w *willWalk) attach(t *testing.T, id string) {
	r := session.AttachRequest{
		ClientID: id, Instance: fmt.Sprint(w.prefix, "i", w.pick(3)), CleanStart: w.pick(4) == 0,
		Expiry: []time.Duration{0, 3 * time.Millisecond, 10 * time.Second, time.Hour, session.Never}[w.pick(5)],
	}
	if w.pick(4) > 0 {
		w.n++
		key := fmt.Sprint(w.prefix, w.n)
		r.Will = will(key, []time.Duration{0, 2 * time.Millisecond, 20 * time.Second, 40 * time.Second, time.Hour}[w.pick(5)])
		w.wills[key] = &tracked{client: id, delay: r.Will.Delay}
	}
	var got session.State
	var err error
	now := w.during(t, func() { got, err = w.store().Attach(t.Context(), r) })
	if errors.Is(err, session.ErrWills) {
		w.count("too many")
		w.wills[r.Will.Message.Key].phase = over
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	handed := w.handed(t, "attach", got.Wills)
	h := w.holders[id]
	for key, one := range w.wills {
		if one.client != id || one.phase == over || r.Will != nil && r.Will.Message.Key == key {
			continue
		}
		come, certain := one.at.come(now)
		switch {
		case one.phase == claimed:
			come, certain = false, true
		case one.phase == live:
			come, certain = one.delay == 0 || !got.Present, true
		case one.phase == delayed && !got.Present:
			come, certain = true, true
		}
		w.expect(t, "attach", key, handed, come, certain)
		switch {
		case handed[key] != nil:
			w.claimed(one, *handed[key], now)
		case one.phase != claimed:
			one.phase = over
			w.count("deleted by a return")
		}
	}
	if h == nil {
		h = &holder{}
		w.holders[id] = h
	}
	h.epoch, h.owner, h.expiry, h.will = got.Epoch, r.Instance, r.Expiry, ""
	if r.Will != nil {
		h.will = r.Will.Message.Key
	}
}

func (w *willWalk) detach(t *testing.T, id string) {
	h := w.holders[id]
	p := session.Parting(w.pick(3))
	e := h.epoch
	if w.pick(8) == 0 {
		e--
	}
	s := w.store()
	var ended session.Ended
	var err error
	now := w.during(t, func() { ended, err = s.Detach(t.Context(), id, e, p) })
	if e != h.epoch || h.owner == "" && err != nil {
		if !errors.Is(err, session.ErrFenced) {
			t.Errorf("detach with epoch %d of %d: %v", e, h.epoch, err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	handed := w.handed(t, "detach", ended.Wills)
	if h.owner == "" { // a repeat: what the first one claimed and nobody placed
		for key, one := range w.wills {
			mine := one.client == id && one.phase == claimed && one.placed == nil && one.claim.Claim == fmt.Sprint("d.", uint64(e))
			w.expect(t, "repeated detach", key, handed, mine, true)
			if handed[key] != nil {
				w.claimed(one, *handed[key], now)
			}
		}
		return
	}
	if one := w.wills[h.will]; one != nil {
		w.expect(t, "detach", h.will, handed, p == session.PartingLost && (one.delay == 0 || h.expiry == 0), true)
		w.lost(one, h, p, now)
		if handed[h.will] != nil {
			w.claimed(one, *handed[h.will], now)
		}
		delete(handed, h.will)
	}
	if len(handed) > 0 {
		t.Errorf("detach handed out more than its own: %v", handed)
	}
	h.owner, h.will = "", ""
	if ended.Over && w.pick(2) == 0 {
		w.settle(t, s, id)
	}
}

// lost is the end of a will's connection.
func (w *willWalk) lost(one *tracked, h *holder, p session.Parting, now span) {
	one.phase, one.at = delayed, now.add(min(one.delay, h.expiry))
	switch p {
	case session.PartingClean:
		one.phase = over
	case session.PartingMoved:
		one.phase = kept
		if grace := now.add(session.MovedGrace); grace.lo > one.at.lo {
			one.at = grace
		}
	}
	w.count(fmt.Sprint("parting ", p))
}

func (w *willWalk) settle(t *testing.T, s Store, id string) {
	if err := s.Settled(t.Context(), []string{id}); err != nil {
		t.Fatal(err)
	}
}

// change is what a DISCONNECT may say of the session's expiry.
func (w *willWalk) change(t *testing.T, id string) {
	h := w.holders[id]
	if h.owner == "" {
		return
	}
	expiry := []time.Duration{0, 10 * time.Second, time.Hour}[w.pick(3)]
	write(t, w.store(), session.Change{ClientID: id, Epoch: h.epoch, Expiry: &expiry})
	h.expiry = expiry
}

// die ends an instance and has its sessions swept.
func (w *willWalk) die(t *testing.T, instance string) {
	s := w.store()
	died := w.during(t, func() { die(t, s, instance) })
	if w.pick(2) == 0 {
		w.pass(t)
	}
	var ended []session.Ended
	now := w.during(t, func() { ended = sweepInstance(t, w.store(), instance) })
	var all []session.DueWill
	for _, e := range ended {
		all = append(all, e.Wills...)
	}
	handed := w.handed(t, "orphans", all)
	for id, h := range w.holders {
		if h.owner != instance {
			continue
		}
		if one := w.wills[h.will]; one != nil {
			w.lost(one, h, session.PartingLost, died)
			come, certain := one.at.come(now)
			w.expect(t, "orphans", h.will, handed, come, certain)
			if handed[h.will] != nil {
				w.claimed(one, *handed[h.will], now)
			}
			delete(handed, h.will)
		}
		*h = holder{epoch: h.epoch, expiry: h.expiry}
		if w.pick(2) == 0 {
			w.settle(t, s, id)
		}
	}
	if len(handed) > 0 {
		t.Errorf("orphans handed out what was not of the instance: %v", handed)
	}
}

func (w *willWalk) sweep(t *testing.T) {
	var ended []session.Ended
	at := time.Time{}
	if !w.b.Jumps {
		at = w.b.Now(t).Add(w.skew)
	}
	now := w.during(t, func() { ended = sweepExpired(t, w.store(), at) })
	if !at.IsZero() {
		now = span{at.UnixMilli(), at.UnixMilli()}
	}
	w.swept(t, ended, now)
}

func (w *willWalk) swept(t *testing.T, ended []session.Ended, now span) {
	var all []session.DueWill
	for _, e := range ended {
		all = append(all, e.Wills...)
		if e.Over && w.pick(2) == 0 {
			w.settle(t, w.store(), e.ClientID)
		}
	}
	handed := w.handed(t, "sweep", all)
	for key, one := range w.wills {
		come, certain := one.at.come(now)
		if one.phase == live || one.phase == over {
			come, certain = false, true
		}
		w.expect(t, "sweep", key, handed, come, certain)
		if handed[key] != nil {
			w.claimed(one, *handed[key], now)
			w.count("swept")
		}
	}
}

// place records a place with a claim that may be lost.
func (w *willWalk) place(t *testing.T) {
	if len(w.claims) == 0 {
		return
	}
	c := w.claims[len(w.claims)-1-w.pick(min(len(w.claims), 8))]
	one := w.wills[c.Message.Key]
	p := message.Place{Topic: c.Message.Key, Queue: w.pick(9)}
	if one.placed != nil {
		p = *one.placed // a repeat goes where the first one went
	}
	var err error
	now := w.during(t, func() { err = w.store().PlaceWill(t.Context(), c, p) })
	if one.phase != claimed || one.claim.Claim != c.Claim {
		if !errors.Is(err, session.ErrFenced) {
			t.Errorf("placed with a lost claim: %v", err)
		}
		w.count("fenced")
		return
	}
	if err != nil {
		t.Errorf("place: %v", err)
	}
	one.placed = &p
	till := now.add(session.ClaimTime)
	one.at = span{max(one.at.lo, till.lo), max(one.at.hi, till.hi)}
}

// done publishes some of what is claimed, with claims that may be lost.
func (w *willWalk) done(t *testing.T) {
	var some []session.DueWill
	for range 3 {
		if len(w.claims) > 0 {
			some = append(some, w.claims[len(w.claims)-1-w.pick(min(len(w.claims), 12))])
		}
	}
	if err := w.store().WillsDone(t.Context(), some); err != nil {
		t.Fatal(err)
	}
	for _, c := range some {
		if one := w.wills[c.Message.Key]; one.phase == claimed && one.claim.Claim == c.Claim {
			one.phase = over
			w.count("published")
		}
	}
}

// handed are wills by their keys.
func (w *willWalk) handed(t *testing.T, what string, wills []session.DueWill) map[string]*session.DueWill {
	t.Helper()
	all := make(map[string]*session.DueWill)
	for i := range wills {
		c := &wills[i]
		one := w.wills[c.Message.Key]
		if one == nil || one.client != c.ClientID || all[c.Message.Key] != nil {
			t.Fatalf("%s handed out %+v, which is none or not its own or twice", what, c)
		}
		all[c.Message.Key] = c
	}
	return all
}

// expect compares whether a will was handed out with whether its time has come.
func (w *willWalk) expect(t *testing.T, what, key string, handed map[string]*session.DueWill, come, certain bool) {
	t.Helper()
	if certain && come != (handed[key] != nil) {
		one := *w.wills[key]
		t.Errorf("%s: will %s handed out: %v, want %v; it is %+v", what, key, handed[key] != nil, come, one)
	}
}

// claimed takes note of a claim.
func (w *willWalk) claimed(one *tracked, c session.DueWill, now span) {
	again := one.claim.Claim != c.Claim
	one.phase, one.at, one.claim = claimed, now.add(session.ClaimTime), c
	if again {
		w.claims = append(w.claims, c)
	}
	w.count("claimed")
}

func (w *willWalk) count(what string) { w.counts[what]++ }

// finish ends everything: each will that is not over is handed out, published, and then there is nothing left.
func (w *willWalk) finish(t *testing.T) {
	for i := range 3 {
		w.die(t, fmt.Sprint(w.prefix, "i", i))
	}
	at := w.b.Now(t).Add(1e6 * time.Hour)
	for range 3 {
		now := span{at.UnixMilli(), at.UnixMilli()}
		ended := sweepExpired(t, w.stores[0], at)
		w.swept(t, ended, now)
		for _, e := range ended {
			for _, c := range e.Wills {
				if one := w.wills[c.Message.Key]; c.Repeat != (one.placed != nil) || c.Repeat && *c.Place != *one.placed {
					t.Errorf("will %s, placed %v, is handed out as %+v", c.Message.Key, one.placed, c)
				}
				one := w.wills[c.Message.Key]
				one.phase = over
			}
			if err := w.stores[1].WillsDone(t.Context(), e.Wills); err != nil {
				t.Fatal(err)
			}
			w.settle(t, w.stores[1], e.ClientID)
		}
		at = at.Add(time.Hour)
	}
	for key, one := range w.wills {
		if one.phase != over {
			t.Errorf("will %s never came: %+v", key, one)
		}
	}
}
