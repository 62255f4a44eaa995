package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/history"
)

// settleTime is how long nothing may come that is owed, after all faults are mended, before it counts as lost: longer than
// leases, redeliveries of groups and repeated sends take together on a slow machine.
const settleTime = 2 * time.Minute

// Quiesce ends the acting, brings all clients home and waits until everything owed has come, or nothing more does. It
// returns the whole history; the clients stay connected until Close.
func (l *Load) Quiesce(permits []history.Permit) []history.Event {
	close(l.stop)
	l.acting.Wait()
	for _, c := range l.clients {
		l.staying.Go(func() { c.home(l.leave) })
	}
	for _, c := range l.clients {
		c.within(settleTime, nil, func() bool { return c.link != nil && len(c.unacked) == 0 })
	}
	l.await(permits, nil, history.Lost, history.WillRule, history.Owner, history.Unanswered)
	finals := l.retained(permits)
	for _, e := range finals {
		l.rec.Add(e)
	}
	l.rec.Add(history.Event{Kind: history.Quiet})
	return l.rec.Events()
}

// await waits until a history that ended now would keep these rules; then, or when the time is over, it returns.
func (l *Load) await(permits []history.Permit, more func() []history.Event, rules ...history.Rule) {
	for deadline := time.Now().Add(settleTime); time.Now().Before(deadline); {
		events := slices.Clone(l.rec.Events())
		at := events[len(events)-1].At
		if more != nil {
			for _, e := range more() {
				e.At = at
				events = append(events, e)
			}
		}
		events = append(events, history.Event{Kind: history.Quiet, At: at})
		v := history.Check(events, permits...)
		if !slices.ContainsFunc(v.Violations, func(v history.Violation) bool { return slices.Contains(rules, v.Rule) }) {
			return
		}
		l.clients[0].within(time.Second, l.leave, func() bool { return false })
	}
}

// retained asks for what is retained, as a new client.
func (l *Load) retained(permits []history.Permit) []history.Event {
	rec := history.NewRecorder() // what this client does is none of the history
	c := newClient(rec, l.places, l.opt.Root+"-reader", packet.V5, true, rand.New(rand.NewPCG(l.opt.Seed, 0)))
	stop := make(chan struct{})
	l.staying.Go(func() { c.home(stop) })
	defer func() { close(stop); c.end() }()
	filter := l.opt.Root + "/r/#"
	c.within(settleTime, nil, func() bool { return c.link != nil })
	c.subscribe(filter, 1)
	found := func() []history.Event {
		at := map[string]string{}
		for _, e := range rec.Events() {
			if e.Kind == history.Deliver && e.Retain {
				at[e.Topic] = e.Msg
			}
		}
		var list []history.Event
		for n := range topics {
			topic := fmt.Sprintf("%s/r/%d", l.opt.Root, n)
			list = append(list, history.Event{Kind: history.Retained, Topic: topic, Msg: at[topic]})
		}
		return list
	}
	l.await(permits, found, history.RetainRule)
	return found()
}

// Close ends all connections.
func (l *Load) Close() {
	close(l.leave)
	l.staying.Wait()
	for _, c := range l.clients {
		c.end()
	}
}
