package client

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"lmqgate/adapter/packet"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// leave ends the session's stay on this connection. The stream of a client that said goodbye is closed when that is
// done: one that waits for it finds its session ended and its will deleted wherever it connects then.
func (c *client) leave(err error) {
	var code packet.ReasonCode
	switch {
	case errors.Is(err, errGoodbye):
		c.srv.leaving(c)
		c.out.mute()
		c.halt(packet.Success)
	case c.given(), errors.As(err, &code) && elsewhere(code): // told when the session is released
		c.giveUp(code, words(err))
	case c.moving.Load() != nil && errors.Is(err, os.ErrDeadlineExceeded):
		if in := c.in.Load(); in != nil {
			in.quiet()
		}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		c.Close(packet.Success)
	case errors.As(err, &code):
		if c.end(code, words(err)) {
			c.log(slog.LevelInfo, "closing connection", "reason", err)
		}
	default:
		c.Close(packet.Success) // the stream broke, or it was closed from this side
	}
	c.behalf.end()
	c.expire()
	c.settle()
	if in := c.in.Load(); in != nil {
		in.close()
	}
	c.out.mute()
	c.detach(c.parting())
	c.srv.forget(c)
	c.moved()
	c.out.finish(packet.Success, nil)
	c.offline()
	c.went(err)
}

// turnAway releases the session of a client that gets no CONNACK: it was taken over meanwhile, or is sent elsewhere, or
// cannot take one.
func (c *client) turnAway(st session.State) {
	c.srv.forget(c)
	c.writer.Close()
	p := c.parting()
	if p == session.PartingLost { // a will is one of an accepted connection [MQTT-3.1.2-8]
		p = session.PartingClean
	}
	c.detach(p)
	c.moved()
	c.announce(st)
}

// words are what the client is told beside the reason code.
func words(err error) string {
	var e *packet.Error
	if errors.As(err, &e) {
		return e.Msg
	}
	return ""
}

// settle makes the last writes of the session.
func (c *client) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), c.srv.cfg.Redis)
	defer cancel()
	if err := c.delivery.Close(ctx); err != nil && !errors.Is(err, session.ErrFenced) {
		c.log(slog.LevelWarn, "last write of the session failed", "error", err)
	}
}

// detach gives the session's ownership up, or leaves it to be tried again: nobody else would while this instance lives.
func (c *client) detach(p session.Parting) {
	ctx, cancel := context.WithTimeout(context.Background(), c.srv.cfg.Redis)
	defer cancel()
	if err := c.srv.detach(ctx, c.id, c.epoch, p); err != nil {
		c.log(slog.LevelInfo, "releasing the session failed, it will be tried again", "error", err)
		c.srv.undone.add(c.id, leftover{epoch: c.epoch, parting: p})
	}
}

// detach ends the ownership of a session and, if the session ended with it, gives its filters back. A session that was
// taken over is none of ours any more.
func (s *Server) detach(ctx context.Context, clientID string, e session.Epoch, p session.Parting) error {
	ended, err := s.deps.Sessions.Detach(ctx, clientID, e, p)
	switch {
	case errors.Is(err, session.ErrFenced):
		return nil
	case err != nil:
		return err
	}
	s.freed.Store(s.now())
	s.due(ended.Wills)
	// Only a session that is over has Subscriptions; one that had none needs no Settled.
	if len(ended.Subscriptions) == 0 || !s.release(ctx, clientID, ended.Subscriptions) {
		return nil
	}
	if err := s.deps.Sweeper.Settled(ctx, []string{clientID}); err != nil {
		s.cfg.Logger.Debug("settling the ended session failed, the sweep does it again", "client_id", clientID, "error", err)
	}
	return nil
}

// release gives back the filters of a session that has ended, and reports whether it could; what fails is mended by
// the sweep or by reconciliation.
func (s *Server) release(ctx context.Context, clientID string, subs []session.Subscription) bool {
	if len(subs) == 0 {
		return true
	}
	holds := make([]registry.Hold, len(subs))
	for i, sub := range subs {
		holds[i] = registry.Hold{Filter: sub.Filter, ClientID: clientID, Epoch: uint64(sub.HoldEpoch), Seq: sub.HoldSeq}
	}
	if err := s.deps.Filters.Release(ctx, holds); err != nil {
		s.cfg.Logger.Warn("releasing filters failed, left to reconciliation", "client_id", clientID, "error", err)
		return false
	}
	return true
}
