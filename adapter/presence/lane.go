package presence

import (
	"context"
	"fmt"
	"time"
)

const (
	attemptMost = 5 * time.Second // bound on one attempt
	pauseFirst  = 100 * time.Millisecond
	pauseMost   = 2 * time.Second
)

// lane sends the events of some clients, one after the other.
type lane struct {
	events *Events
	queue  chan body
	failed bool // the last event was given up, which the log has heard
	left   int  // events given up since sending ended
}

// run ends when the queue is closed and empty.
func (l *lane) run() {
	e := l.events
	for b := range l.queue {
		if e.ctx.Err() != nil {
			l.left++
			e.counts[outcomeFailed].Inc()
			continue
		}
		if err := l.deliver(b); err != nil {
			if e.ctx.Err() != nil {
				l.left++
			} else if !l.failed {
				e.cfg.Logger.Warn("a presence event was given up", "client_id", b.ClientID, "event", b.EventType, "error", err)
			}
			l.failed = true
			e.counts[outcomeFailed].Inc()
			continue
		}
		l.failed = false
		e.counts[outcomeSent].Inc()
	}
}

// deliver tries until the event is stored or has waited for longer than patience, once at least. An attempt whose
// outcome is unknown is repeated with the same key.
func (l *lane) deliver(b body) error {
	e := l.events
	key, text := e.producer.NewKey(), b.encode()
	pause := pauseFirst
	for {
		err := e.attempt(b.ClientID, key, text)
		if err == nil || e.ctx.Err() != nil || e.cfg.Now().Add(pause).After(b.queued.Add(e.cfg.Patience)) {
			return err
		}
		wait := time.NewTimer(pause)
		select {
		case <-wait.C:
		case <-e.ctx.Done():
			wait.Stop()
			return err
		}
		pause = min(2*pause, pauseMost)
	}
}

// attempt sends an event once.
func (e *Events) attempt(clientID, key string, text []byte) error {
	ctx, cancel := context.WithTimeout(e.ctx, attemptMost)
	defer cancel()
	filters, err := e.match(ctx)
	if err != nil {
		return fmt.Errorf("match presence topic: %w", err)
	}
	at, err := e.producer.Pick(ctx, RocketMQTopic, clientID)
	if err != nil {
		return fmt.Errorf("route of %s: %w", RocketMQTopic, err)
	}
	if err := e.send(ctx, outgoing(text, key, at, filters)); err != nil {
		return fmt.Errorf("send presence event: %w", err)
	}
	return nil
}

func (e *Events) match(ctx context.Context) ([]string, error) {
	type answer struct {
		filters []string
		err     error
	}
	got := make(chan answer, 1)
	e.matcher.Match(Topic, func(filters []string, err error) { got <- answer{filters, err} })
	select {
	case a := <-got:
		return a.filters, a.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (e *Events) send(ctx context.Context, o *Outgoing) error {
	got := make(chan error, 1)
	e.producer.Send(o, func(err error) { got <- err })
	select {
	case err := <-got:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
