package migrate

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/meta/javameta"
)

const (
	atOnce    = 8 // clients
	leaseTime = time.Minute
	beatEvery = 15 * time.Second
)

// mover is one run.
type mover struct {
	log      Log
	sessions Sessions
	opt      Options
	instance string
}

// Run plans, and takes over if the options say so. The error says that nothing or not everything could be looked at; what
// became of each client is in the report.
func Run(ctx context.Context, log Log, sessions Sessions, opt Options) (*Report, error) {
	if opt.Namespace == "" {
		opt.Namespace = rocketmq.KVNamespace
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	m := &mover{log: log, sessions: sessions, opt: opt, instance: "migrate-" + rand.Text()[:8]}
	table, err := log.KVTable(ctx, opt.Namespace)
	if err != nil {
		return nil, err
	}
	lists := javameta.Read(table)
	r := &Report{Applied: opt.Apply, FirstTopics: lists.FirstTopics, Wildcards: lists.Wildcards, Nodes: lists.Nodes, Problems: lists.Problems}
	if len(log.Brokers()) == 0 {
		return nil, fmt.Errorf("the name server knows no broker")
	}
	targets, skipped, err := m.find(ctx)
	if err != nil {
		return nil, err
	}
	r.Skipped = skipped
	if opt.Apply {
		end, err := m.live(ctx)
		if err != nil {
			return nil, err
		}
		defer end()
	}
	r.Clients = m.each(ctx, targets)
	return r, ctx.Err()
}

// live registers this run as an instance, so that others sweep what it owns should it die. end takes that back.
func (m *mover) live(ctx context.Context) (end func(), err error) {
	if err := m.sessions.Beat(ctx, m.instance, leaseTime); err != nil {
		return nil, err
	}
	beats, stop := context.WithCancel(ctx)
	var g sync.WaitGroup
	g.Go(func() {
		tick := time.NewTicker(beatEvery)
		defer tick.Stop()
		for {
			select {
			case <-beats.Done():
				return
			case <-tick.C:
				_ = m.sessions.Beat(beats, m.instance, leaseTime) // the next one follows
			}
		}
	})
	return func() {
		stop()
		g.Wait()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = m.sessions.Leave(last, m.instance) // else the heartbeat lapses
	}, nil
}

// each handles the clients, a few at a time; the outcomes are in the order of the targets.
func (m *mover) each(ctx context.Context, targets []target) []Outcome {
	out := make([]Outcome, len(targets))
	next := make(chan int)
	var g sync.WaitGroup
	for range min(atOnce, len(targets)) {
		g.Go(func() {
			for i := range next {
				o, err := m.one(ctx, targets[i])
				if err != nil {
					o.ClientID, o.Result, o.Why = targets[i].id, Failed, err.Error()
				}
				out[i] = o
			}
		})
	}
	for i := range targets {
		next <- i
	}
	close(next)
	g.Wait()
	return out
}

func (m *mover) one(ctx context.Context, t target) (Outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	info, st, err := m.peek(ctx, t.id)
	if err != nil {
		return Outcome{}, err
	}
	o, err := m.look(ctx, t, info, st)
	if err != nil || !m.opt.Apply || o.Result != WouldTake {
		return o, err
	}
	return m.take(ctx, t, info)
}
