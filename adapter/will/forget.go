package will

import (
	"context"
	"time"

	"lmqgate/meta/session"
)

const (
	forgetMost    = 512 // wills forgotten in one call
	forgetTimeout = 5 * time.Second
	forgetPause   = 100 * time.Millisecond
	forgetLonger  = 5 * time.Second // the longest pause
)

// forget has the store forget published wills until there are none: all that were published meanwhile share a call. What
// the store does not hear of is handed out again, found in the log, and comes here once more.
func (p *Publisher) forget() {
	pause := forgetPause
	for {
		batch := p.toForget()
		if len(batch) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(p.ctx, forgetTimeout)
		err := p.store.WillsDone(ctx, batch)
		cancel()
		if err == nil {
			p.forgotten(len(batch))
			pause = forgetPause
			continue
		}
		if p.ctx.Err() == nil {
			p.cfg.Logger.Warn("forgetting published wills failed, trying again", "wills", len(batch), "error", err)
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-p.ctx.Done():
			t.Stop()
			return
		}
		pause = min(2*pause, forgetLonger)
	}
}

// toForget returns the next of them; when there are none, the next to come begins anew.
func (p *Publisher) toForget() []session.DueWill {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := min(len(p.done), forgetMost)
	if n == 0 {
		p.done, p.keeping = nil, false
		return nil
	}
	return p.done[:n:n]
}

// forgotten lets the first n go.
func (p *Publisher) forgotten(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = min(n, len(p.done)) // Close may have given up
	for i := range n {
		p.release(&p.done[i])
	}
	p.done = p.done[n:]
}
