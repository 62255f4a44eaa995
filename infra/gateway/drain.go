package gateway

import (
	"context"
	"fmt"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/adapter/transport"
)

// lastWords bounds what has to be said after the deadline of Stop, if Redis answers at all.
const lastWords = time.Second

// drain stops the instance within DRAIN_TIMEOUT, or at once when hurry ends. What is not done lastWords after that is
// left behind with the process: to the clients it is an instance that was killed, which loses nothing acknowledged.
func (g *Gateway) drain(hurry context.Context) {
	began, clients := time.Now(), g.clients.Len()
	g.log.Info("draining", "clients", clients, "timeout", g.cfg.DrainTimeout.String())
	ctx, cancel := context.WithTimeout(hurry, g.cfg.DrainTimeout)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- g.Stop(ctx) }()
	var err error
	select {
	case err = <-stopped:
	case <-late(ctx, lastWords):
		err = fmt.Errorf("%d sessions are not released, others will see to it", g.clients.Held())
	}
	took := time.Since(began).Round(time.Millisecond).String()
	switch {
	case hurry.Err() != nil:
		g.log.Warn("stopped at once, at the second signal", "clients", clients, "took", took, "error", err)
	case ctx.Err() != nil:
		g.log.Warn("stopped before everything was drained: DRAIN_TIMEOUT is over", "clients", clients, "took", took, "error", err)
	case err != nil:
		g.log.Warn("drained, with trouble", "clients", clients, "took", took, "error", err)
	default:
		g.log.Info("drained", "clients", clients, "took", took)
	}
}

// late returns a channel on which something comes d after the end of ctx.
func late(ctx context.Context, d time.Duration) <-chan time.Time {
	ch := make(chan time.Time, 1)
	context.AfterFunc(ctx, func() { time.AfterFunc(d, func() { ch <- time.Now() }) })
	return ch
}

// schedule is how the time of a drain is spent; what is left is for releasing the last sessions.
type schedule struct {
	notice time.Duration // new clients are asked elsewhere, and balancers see that the instance is not ready
	spread time.Duration // goodbyes are spread over this, so that the other instances are not stampeded
}

// scheduled divides what ctx has left. Of the usual 8 s, 1 s is notice and 5 s are for goodbyes.
func scheduled(ctx context.Context) schedule {
	end, ok := ctx.Deadline()
	if !ok {
		return schedule{}
	}
	left := max(0, time.Until(end))
	return schedule{notice: min(left/8, time.Second), spread: left * 5 / 8}
}

// stopClients says goodbye to every client and ends every connection. Until that is done the listeners stay open: who
// connects is asked elsewhere, which is more than finding nobody.
func (g *Gateway) stopClients(ctx context.Context) error {
	if g.transport == nil { // never got so far
		return nil
	}
	plan := scheduled(ctx)
	g.clients.Refuse()
	g.transport.TurnAway()
	g.notice(ctx, plan.notice)
	err := g.clients.Drain(ctx, packet.ServerShuttingDown, plan.spread)
	g.transport.StopAccepting()
	g.listeners.close()
	if err != nil { // the goodbyes are on their way
		moment, cancel := context.WithTimeout(context.Background(), lastWords/4)
		defer cancel()
		_ = g.transport.Wait(moment)
	}
	g.transport.CloseAll(transport.StatusGoingAway, "shutting down")
	if g.transport.Wait(ctx) == nil {
		return err
	}
	g.transport.AbortAll()
	last, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	_ = g.transport.Wait(last) // Stop looks again at the end
	return err
}

// notice leaves balancers time to send clients elsewhere, if there are any and there is an elsewhere.
func (g *Gateway) notice(ctx context.Context, d time.Duration) {
	if g.cfg.EmbeddedRedis || g.clients.Len() == 0 {
		return
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
