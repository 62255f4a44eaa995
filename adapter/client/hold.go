package client

import (
	"context"
	"errors"
	"os"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// settleTime bounds how long a connection waits for what its predecessor on this instance has still to write.
const settleTime = 50 * time.Millisecond

// precede lets the connection that has the client id on this instance write what its client has acknowledged, which
// Attach would fence off: those messages would come once more, some under other packet ids. One on another instance is not
// waited for (decision 5).
func (s *Server) precede(ctx context.Context, clientID string) {
	s.mu.Lock()
	old := s.clients[clientID]
	s.mu.Unlock()
	if old == nil || !old.attached.Load() || old.expiry == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	_ = old.writer.Flush(ctx) // if it fails, these messages come again
}

// takeOver attaches the session. Where its client id goes back and forth between connections too fast, it waits as long as
// it is told, once, while the one that has it is served.
func (c *client) takeOver(r session.AttachRequest) (st session.State, err error) {
	attach := func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.srv.cfg.Redis)
		defer cancel()
		st, err = c.srv.deps.Sessions.Attach(ctx, r)
	}
	attach()
	var f *session.Flapping
	if !errors.As(err, &f) {
		return st, err
	}
	c.srv.metrics.waited.Inc()
	c.srv.warn("a client id is taken over again and again, by several devices perhaps; the next one has to wait", "client_id", c.id,
		"address", r.Address, "holder_address", f.Address, "holder_instance", f.Holder.Instance, "takeovers", f.Takeovers, "wait", f.Wait.String())
	if err = c.hold(f.Wait); err == nil {
		attach()
	}
	return st, err
}

// hold keeps the client waiting for its CONNACK. An error ends its connection: it has gone, or it is to go elsewhere. It
// costs a deadline or a timer, no goroutine; what the client sends meanwhile waits.
func (c *client) hold(d time.Duration) (err error) {
	c.during(func(ctx context.Context) {
		end := time.Now().Add(d)
		_ = c.conn.SetReadDeadline(end)
		err = c.dec.Peek()
		_ = c.conn.SetReadDeadline(time.Time{}) // before moving is looked at, which sets another one
		switch {
		case err == nil: // it has sent something, so that its end cannot be seen
			select {
			case <-time.After(time.Until(end)):
			case <-ctx.Done():
				err = errGoodbye
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			err = nil
		default:
			err = errGoodbye
		}
	})
	m := c.moving.Load()
	switch {
	case c.ending.begun():
		return errGoodbye
	case m == nil:
		return err
	case m.quick:
		return reject(m.code, "%s", m.why)
	}
	return errDraining
}

// unattached is what the client is told when it does not get its session.
func (c *client) unattached(err error) error {
	var told *packet.Error
	var f *session.Flapping
	switch {
	case errors.Is(err, errGoodbye), errors.As(err, &told):
		return err
	case errors.As(err, &f): // nothing has changed
		return reject(packet.ConnectionRateExceeded, "%v", f)
	case errors.Is(err, session.ErrForeign):
		return reject(packet.ClientIdentifierNotValid, "the session of this client identifier belongs to another user")
	case errors.Is(err, session.ErrWills): // nor here
		return reject(packet.QuotaExceeded, "too many wills of this client identifier wait to be published")
	}
	c.srv.undone.add(c.id, leftover{looks: looks})
	c.srv.warn("attaching a session failed", "client_id", c.id, "error", err)
	if errors.Is(err, session.ErrFormat) {
		return reject(packet.UnspecifiedError, "the stored session was written by a newer version")
	}
	return reject(packet.ServerUnavailable, "sessions are unavailable, try again")
}
