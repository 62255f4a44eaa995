package deliver

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

var errPop = errors.New("broker did not answer")

// fakePops are consumer groups over the queues of a fakeLog, whose lock protects everything. A message that is not
// acknowledged comes back revive after its time.
type fakePops struct {
	l      *fakeLog
	revive time.Duration
	groups map[popGroupKey]*popGroup
	ended  []string    // groups, with their broker
	flaky  func() bool // whether a call is to fail, with or without having an effect
	next   int
}

type popGroupKey struct {
	group string
	Ref
}

type popGroup struct {
	pops *fakePops
	key  popGroupKey
	next int64          // offset of the next message
	back []*Entry       // came back
	out  map[int]popOut // with somebody
	line []*bool        // POPs that wait, served in their order
}

type popOut struct {
	entry *Entry
	until time.Time
}

// fakeHandle names a message that is out.
type fakeHandle struct {
	g     *popGroup
	id    int
	until time.Time
}

func (h fakeHandle) Until() time.Time { return h.until }

func newFakePops(l *fakeLog) *fakePops {
	return &fakePops{l: l, revive: 2 * time.Second, groups: map[popGroupKey]*popGroup{}}
}

// fails draws whether a call fails, and whether it has had its effect all the same.
func (p *fakePops) fails() (before, after bool) {
	if p.flaky == nil || !p.flaky() {
		return false, false
	}
	before = p.flaky()
	return before, !before
}

// group finds a group; a new one begins where RocketMQ's begin: at the lowest offset.
func (p *fakePops) group(k popGroupKey) *popGroup {
	g := p.groups[k]
	if g == nil {
		g = &popGroup{pops: p, key: k, next: p.l.brokers[k.Broker].queue(k.LMQ).base, out: map[int]popOut{}}
		p.groups[k] = g
	}
	return g
}

// take hands out up to n messages, those first that came back.
func (g *popGroup) take(n int, invisible time.Duration) (got []Popped, rest int64) {
	now := time.Now()
	for id, o := range g.out {
		if !now.Before(o.until.Add(g.pops.revive)) {
			delete(g.out, id)
			g.back = append(g.back, o.entry)
		}
	}
	n = min(n, maxPop)
	for len(g.back) > 0 && len(got) < n {
		again := g.give(g.back[0], now.Add(invisible))
		again.Again = true
		got = append(got, again)
		g.back = g.back[1:]
	}
	q := g.pops.l.brokers[g.key.Broker].queue(g.key.LMQ)
	g.next = max(g.next, q.base)
	for g.next < q.max() && len(got) < n {
		got = append(got, g.give(q.entries[g.next-q.base], now.Add(invisible)))
		g.next++
	}
	return got, int64(len(g.back)) + q.max() - g.next
}

func (g *popGroup) give(e *Entry, until time.Time) Popped {
	p := g.pops
	p.next++
	g.out[p.next] = popOut{e, until}
	time.AfterFunc(time.Until(until)+p.revive, p.l.cond.Broadcast)
	return Popped{Entry: e, Handle: fakeHandle{g, p.next, until}}
}

// popView is the fake as one instance sees it: when the instance is dead, nothing gets through any more.
type popView struct {
	*fakePops
	dead bool // protected by fakeLog.mu
	held int  // POPs not done
}

var _ Pops = (*popView)(nil)

func (v *popView) Pop(r PopRequest, done func([]Popped, int64, error)) (cancel func()) {
	l, cancelled := v.l, false
	l.mu.Lock()
	v.held++
	l.mu.Unlock()
	over := time.Now().Add(r.Wait)
	timer := time.AfterFunc(r.Wait, l.cond.Broadcast)
	go func() {
		defer timer.Stop()
		time.Sleep(time.Millisecond / 2)
		got, rest, err := v.popped(r, over, &cancelled)
		time.Sleep(time.Millisecond / 2)
		l.mu.Lock()
		v.held--
		if v.dead {
			got, rest, err = nil, 0, errPop
		}
		l.mu.Unlock()
		done(got, rest, err)
	}()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		cancelled = true
		l.cond.Broadcast()
	}
}

// popped waits for messages.
func (v *popView) popped(r PopRequest, over time.Time, cancelled *bool) (got []Popped, rest int64, err error) {
	l := v.l
	l.mu.Lock()
	defer l.mu.Unlock()
	before, after := v.fails()
	if before || v.dead {
		return nil, 0, errPop
	}
	g := v.group(popGroupKey{r.Group, r.Ref})
	g.line = append(g.line, cancelled)
	defer func() {
		g.line = without(g.line, cancelled)
		l.cond.Broadcast()
	}()
	for {
		switch {
		case *cancelled:
			return nil, 0, context.Canceled
		case v.dead:
			return nil, 0, errPop
		case !l.brokers[r.Broker].down && g.line[0] == cancelled:
			got, rest = g.take(r.Max, r.Invisible)
		}
		if after && len(got) > 0 { // they come back in their time
			return nil, 0, errPop
		}
		if len(got) > 0 || !time.Now().Before(over) {
			return got, rest, nil
		}
		l.cond.Wait()
	}
}

func (v *popView) Ack(h Handle, done func(error)) {
	go func() {
		fh := h.(fakeHandle)
		for {
			time.Sleep(time.Millisecond / 2)
			v.l.mu.Lock()
			before, after := v.fails()
			failed := before || after || v.dead || v.l.brokers[fh.g.key.Broker].down
			if !before && !v.dead && !v.l.brokers[fh.g.key.Broker].down {
				delete(fh.g.out, fh.id)
			}
			v.l.mu.Unlock()
			switch {
			case !failed:
				done(nil)
				return
			case !time.Now().Before(fh.until):
				done(errPop)
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
	}()
}

func (v *popView) Return(h Handle, after time.Duration, done func(Handle, error)) {
	go func() {
		time.Sleep(time.Millisecond / 2)
		done(v.returned(h.(fakeHandle), after))
	}()
}

func (v *popView) returned(h fakeHandle, after time.Duration) (Handle, error) {
	v.l.mu.Lock()
	defer v.l.mu.Unlock()
	before, lost := v.fails()
	o, out := h.g.out[h.id]
	if before || v.dead || v.l.brokers[h.g.key.Broker].down || !time.Now().Before(h.until) {
		return h, errPop
	}
	if !out { // unknown to the broker, which says nothing
		return h, nil
	}
	delete(h.g.out, h.id)
	p := h.g.give(o.entry, time.Now().Add(after))
	if lost {
		return h, errPop
	}
	return p.Handle, nil
}

func (v *popView) BeginGroup(ctx context.Context, group string, r Ref) error {
	time.Sleep(time.Millisecond)
	if v.l.isDown(r.Broker) {
		<-ctx.Done()
		return ctx.Err()
	}
	v.l.mu.Lock()
	defer v.l.mu.Unlock()
	before, after := v.fails()
	if before || v.dead {
		return errPop
	}
	v.group(popGroupKey{group, r}).next = v.l.brokers[r.Broker].queue(r.LMQ).max()
	if after {
		return errPop
	}
	return nil
}

func (v *popView) EndGroup(_ context.Context, group string, r Ref) error {
	v.l.mu.Lock()
	defer v.l.mu.Unlock()
	v.ended = append(v.ended, group+" "+r.Broker)
	return nil
}

func (v *popView) GroupName(parts ...string) string { return strings.Join(parts, "|") }

// sharedWorld is a world with consumer groups.
type sharedWorld struct {
	*world
	pops  *fakePops
	views []*popView
}

// inShared runs test in a bubble, on two instances.
func inShared(t *testing.T, cfg Config, test func(t *testing.T, w *sharedWorld)) {
	synctest.Test(t, func(t *testing.T) {
		w := &sharedWorld{world: &world{t: t, log: newFakeLog("a"), store: newFakeStore(), reg: newFakeRegistry()}}
		w.pops = newFakePops(w.log)
		for range 2 {
			w.startShared(cfg)
		}
		test(t, w)
		for i, in := range w.instances {
			in.end()
			if len(in.hub.shares) > 0 || in.hub.keeper.due.Len() > 0 {
				t.Errorf("%d groups and %d messages left", len(in.hub.shares), in.hub.keeper.due.Len())
			}
			w.log.mu.Lock()
			if n := w.views[i].held; n > 0 {
				t.Errorf("%d POPs left", n)
			}
			w.log.mu.Unlock()
		}
		time.Sleep(time.Minute) // acknowledgements of the dead
		synctest.Wait()
	})
}

func (w *sharedWorld) startShared(cfg Config) *instance {
	v := &popView{fakePops: w.pops}
	w.views = append(w.views, v)
	cfg.Shared.Pops, cfg.Shared.Groups, cfg.Shared.Owners = v, w.reg, w.store
	w.start(cfg)
	in := w.instances[len(w.instances)-1]
	w.reg.OnGroupEnd(in.hub.GroupEnded)
	return in
}

// kill lets an instance die: nothing that it does gets through.
func (w *sharedWorld) kill(i int) {
	in := w.instances[i]
	for _, c := range in.live {
		w.crash(c)
	}
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	w.views[i].dead = true
}

// clean attaches a session that ends with its connection.
func (w *sharedWorld) clean(i int, id string) *conn {
	return w.instances[i].connect(id, Options{}, w.link())
}

func (w *sharedWorld) on(i int, id string) *conn {
	return w.instances[i].connect(id, Options{Persistent: true}, w.link())
}

// leave ends a connection.
func (c *conn) leave(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = c.Close(ctx)
}

// expire ends a session: its holdings go.
func (w *sharedWorld) expire(id string) {
	w.store.mu.Lock()
	s := w.store.sessions[id]
	delete(w.store.sessions, id)
	w.store.past[id] = s.epoch
	w.store.mu.Unlock()
	for _, sub := range s.subs {
		w.release(id, sub)
	}
}

func (w *sharedWorld) release(id string, sub session.Subscription) {
	h := (&Session{clientID: id}).hold(sub)
	_ = w.reg.Release(context.Background(), []registry.Hold{h})
}
