package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"lmqgate/infra/minimq"
)

func brokerFaults() []Fault {
	mini, real := Needs{Mini: true}, Needs{Real: true}
	return []Fault{
		{Name: "broker restarts", Needs: mini, Reroutes: true, Run: onMini("down", func(b *minimq.Broker) { b.Faults().Down() }, func(b *minimq.Broker) error { return b.Faults().Up() })},
		{
			Name: "one of two brokers goes away", Needs: Needs{Mini: true, Brokers: 2}, Reroutes: true,
			Run: onMini("down", func(b *minimq.Broker) { b.Faults().Down() }, func(b *minimq.Broker) error { return b.Faults().Up() }),
		},
		{
			Name: "broker does not index", Needs: mini, Reroutes: true,
			Run: onMini("stall index", func(b *minimq.Broker) { b.Faults().StallIndex(true) }, func(b *minimq.Broker) error { b.Faults().StallIndex(false); return nil }),
		},
		{
			Name: "broker disk full", Needs: mini, Reroutes: true,
			Run: onMini("disk full", func(b *minimq.Broker) { b.Faults().DiskFull(true) }, func(b *minimq.Broker) error { b.Faults().DiskFull(false); return nil }),
		},
		{Name: "broker loses sends and answers", Needs: mini, Reroutes: true, Run: loseSends},
		{Name: "real broker restarts", Needs: real, Slow: true, Reroutes: true, Run: realBroker(false)},
		{Name: "real broker killed with synchronous flush", Needs: real, Slow: true, Reroutes: true, Run: realBroker(true)},
		{Name: "real name server restarts", Needs: real, Slow: true, Run: realNames},
	}
}

// onMini disturbs one broker for a while.
func onMini(name string, disturb func(*minimq.Broker), mend func(*minimq.Broker) error) func(context.Context, *World, *rand.Rand) error {
	return func(ctx context.Context, w *World, r *rand.Rand) error {
		all := w.MiniMQ.Brokers()
		n := r.IntN(len(all))
		w.event(name, "%s", all[n].Name())
		disturb(all[n])
		rest(ctx, between(r, 500*time.Millisecond, 4*time.Second))
		if err := mend(all[n]); err != nil {
			return fmt.Errorf("mend %s: %w", all[n].Name(), err)
		}
		w.event("mend", "%s", all[n].Name())
		return w.mended(ctx)
	}
}

// loseSends leaves the outcome of some sends unknown.
func loseSends(ctx context.Context, w *World, r *rand.Rand) error {
	all := w.MiniMQ.Brokers()
	f := all[r.IntN(len(all))].Faults()
	for range 3 + r.IntN(5) {
		switch r.IntN(4) {
		case 0:
			w.event("lose", "a send")
			f.LoseSends(1)
		case 1:
			w.event("lose", "an answer to a send")
			f.LoseAnswers(1)
		case 2:
			w.event("cut", "behind a send")
			f.CutAfterSends(1)
		case 3:
			w.event("late", "answers to sends")
			f.AckLate(2, between(r, 50*time.Millisecond, 400*time.Millisecond))
		}
		rest(ctx, between(r, 50*time.Millisecond, 400*time.Millisecond))
	}
	f.LoseSends(0)
	f.LoseAnswers(0)
	f.CutAfterSends(0)
	f.AckLate(0, 0)
	return w.mended(ctx)
}

// realBroker ends a broker, which flushes each message before it answers, and starts it again with its data.
func realBroker(kill bool) func(context.Context, *World, *rand.Rand) error {
	return func(ctx context.Context, w *World, r *rand.Rand) error {
		b := w.RocketMQ.Brokers[r.IntN(len(w.RocketMQ.Brokers))]
		w.event("end", "%s, by SIGKILL: %v", b.Name, kill)
		if kill {
			b.Kill()
		} else {
			b.Stop()
		}
		b.Start()
		w.event("start", "%s", b.Name)
		return w.mended(ctx)
	}
}

// realNames ends the name server for some seconds.
func realNames(ctx context.Context, w *World, r *rand.Rand) error {
	w.event("end", "name server")
	w.RocketMQ.NameServer.Kill()
	rest(ctx, between(r, time.Second, 4*time.Second))
	w.RocketMQ.NameServer.Start()
	w.event("start", "name server")
	return w.mended(ctx)
}
