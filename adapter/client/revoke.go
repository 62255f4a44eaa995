package client

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// mayHave reports whether the client is allowed a filter that it has.
func (c *client) mayHave(filter string) bool {
	inner, ok := c.space().UnmountFilter(filter)
	if !ok {
		return false
	}
	if _, plain, _, err := topic.ParseShared(inner); err == nil {
		inner = plain
	}
	return c.may(access.Subscribe, inner)
}

// revoke takes subscriptions out of a resumed session that its client is not allowed any more, before anything is delivered to
// them. What fails here is done by the next connection: until then they are held for nothing.
func (c *client) revoke(st *session.State) {
	if c.srv.deps.Access == nil || len(st.Subscriptions) == 0 {
		return
	}
	var gone []session.Subscription
	st.Subscriptions = slices.DeleteFunc(st.Subscriptions, func(s session.Subscription) bool {
		if s.Granted && c.within(s.Filter) || c.mayHave(s.Filter) {
			return false
		}
		gone = append(gone, s)
		return true
	})
	if len(gone) == 0 {
		return
	}
	change := session.Change{ClientID: c.id, Epoch: c.epoch}
	for _, s := range gone {
		change.DropSubs = append(change.DropSubs, s.Filter)
	}
	st.Cursors = slices.DeleteFunc(st.Cursors, func(at session.Cursor) bool {
		dropped := slices.Contains(change.DropSubs, at.Filter)
		if dropped {
			change.DropCursors = append(change.DropCursors, at.CursorKey)
		}
		return dropped
	})
	st.Out = slices.DeleteFunc(st.Out, func(o session.Outbound) bool {
		dropped := slices.Contains(change.DropSubs, o.Filter) && o.State == session.OutSent
		if dropped {
			change.DropOut = append(change.DropOut, o.PacketID)
		}
		return dropped
	})
	ctx, cancel := context.WithTimeout(context.Background(), c.srv.cfg.Redis)
	defer cancel()
	c.log(slog.LevelInfo, "subscriptions ended, which are not allowed any more", "filters", change.DropSubs)
	if err := c.srv.deps.Sessions.Write(ctx, []session.Change{change})[0]; err != nil {
		c.log(slog.LevelWarn, "ending subscriptions that are not allowed any more failed", "error", err)
		return
	}
	c.srv.release(ctx, c.id, gone)
}

// mostRechecks bounds how many clients' subscriptions are ended side by side.
const mostRechecks = 16

// Recheck ends subscriptions that are not allowed any more, of all clients, and returns how many. It is called after rules have
// changed; who is about to connect looks by itself.
func (s *Server) Recheck() int {
	s.rechecks.Store(true)
	var ended atomic.Int64
	var all sync.WaitGroup
	places := make(chan struct{}, mostRechecks)
	for _, c := range s.all() {
		if !c.attached.Load() {
			continue
		}
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			ended.Add(int64(c.recheckFor(c.meanwhile)))
		})
	}
	all.Wait()
	return int(ended.Load())
}

// meanwhile runs fn beside the reading goroutine, with a context that ends when the connection closes. Called under behalf.mu.
func (c *client) meanwhile(fn func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), c.srv.cfg.Redis)
	defer cancel()
	c.behalf.stop.Store(&cancel)
	defer c.behalf.stop.Store(nil)
	if c.behalf.over || c.ending.begun() || c.given() {
		cancel()
	}
	fn(ctx)
}

// recheck ends the subscriptions of a connected client that it is not allowed any more. It is for the reading goroutine.
func (c *client) recheck() { c.recheckFor(c.during) }

// recheckFor does so by what runs it, and returns how many.
func (c *client) recheckFor(run func(fn func(ctx context.Context))) int {
	if c.srv.deps.Access == nil {
		return 0
	}
	c.behalf.mu.Lock()
	defer c.behalf.mu.Unlock()
	if c.behalf.over {
		return 0
	}
	var gone []string
	for _, f := range c.filters {
		if !c.behalf.given.has(f) && !c.mayHave(f) {
			gone = append(gone, f)
		}
	}
	if len(gone) == 0 {
		return 0
	}
	c.log(slog.LevelInfo, "subscriptions ended, which are not allowed any more", "filters", gone)
	if c.inside != nil { // its reader is to know
		c.Close(packet.NotAuthorized)
		return len(gone)
	}
	var codes []packet.ReasonCode
	run(func(ctx context.Context) { codes = c.delivery.Unsubscribe(ctx, gone) })
	for i, code := range codes {
		if code.Failed() { // else it would go on
			c.Close(packet.NotAuthorized)
			return len(gone)
		}
		c.drop(gone[i])
	}
	c.unsubscribed(gone)
	return len(gone)
}
