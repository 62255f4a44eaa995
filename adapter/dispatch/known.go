package dispatch

import (
	"context"
	"fmt"
	"sync"
	"time"

	"lmqgate/meta/topic"
)

// Clients says who has a session.
type Clients interface {
	// Known reports of each client whether it has a session, connected or not, at a moment after the call began.
	Known(ctx context.Context, clientIDs []string) ([]bool, error)
}

const (
	knownMost    = 512             // clients asked for at once
	knownTimeout = 3 * time.Second // of one attempt
)

// knower asks for the addressees of point to point messages: one call at a time, and all that come meanwhile share the
// next. Waiting jobs are bounded by Config.MaxInFlight, their time by PublishTimeout.
type knower struct {
	d       *Dispatcher
	workers workers // one, while there is something to ask

	mu      sync.Mutex // protects all below
	waiting []addressed
	asking  bool
}

// addressed is a job whose message is for one client.
type addressed struct {
	job      *job
	clientID string
}

// matchOwn has a job dispatched to the queue of one client, if that has a session: to write to queues of clients that do
// not exist would let anybody fill a broker with queues that nobody reads (architecture decision 2).
func (d *Dispatcher) matchOwn(j *job, clientID string) {
	if d.cfg.Clients == nil {
		d.matched(j, []string{topic.P2PLMQ(clientID)})
		return
	}
	d.knower.want(addressed{j, clientID})
}

func (k *knower) want(a addressed) {
	k.mu.Lock()
	k.waiting = append(k.waiting, a)
	begin := !k.asking
	k.asking = true
	k.mu.Unlock()
	if begin {
		k.workers.run(k.run)
	}
}

// run asks until nobody waits.
func (k *knower) run() {
	for list := k.next(); len(list) > 0; list = k.next() {
		k.ask(list)
	}
}

// next takes those that the next call is for.
func (k *knower) next() []addressed {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := min(len(k.waiting), knownMost)
	list := k.waiting[:n:n]
	if k.waiting = k.waiting[n:]; n == 0 {
		k.waiting, k.asking = nil, false
	}
	return list
}

func (k *knower) ask(list []addressed) {
	ids := make([]string, len(list))
	for i, a := range list {
		ids[i] = a.clientID
	}
	ctx, cancel := context.WithTimeout(k.d.ctx, min(knownTimeout, k.d.cfg.PublishTimeout))
	defer cancel()
	known, err := k.d.cfg.Clients.Known(ctx, ids)
	for i, a := range list {
		switch {
		case err != nil:
			k.d.retryPrepare(a.job, fmt.Errorf("look for the session of a client: %w", err), k.d.match)
		case known[i]:
			k.d.matched(a.job, []string{topic.P2PLMQ(a.clientID)})
		default:
			k.d.metrics.strangers.Inc()
			k.d.matched(a.job, nil)
		}
	}
}
