package remoting

import (
	"context"
	"fmt"
	"time"
)

// appender encodes a request under an opaque, signed if cred is not empty.
type appender interface {
	Append(dst []byte, opaque int32, cred Credentials) ([]byte, error)
}

// numbered lets a Command be sent under an opaque of the connection.
type numbered struct{ *Command }

func (n numbered) Append(dst []byte, opaque int32, cred Credentials) ([]byte, error) {
	cmd := *n.Command
	cmd.Opaque = opaque
	if !cred.Empty() {
		cmd.Ext = Sign(cred, cmd.Ext, cmd.Body)
	}
	return cmd.Append(dst)
}

// Go sends cmd and returns at once. done is called exactly once, never before
// Go has released its locks and never on the caller's goroutine: with the
// response on the reader goroutine, with ErrTimeout, or with ErrClosed; if the
// request was not sent at all, with an error wrapping ErrNotSent. done must not
// block, it may start other requests.
//
// The opaque and the signature are set in a copy; cmd is not changed or kept.
func (c *Conn) Go(cmd *Command, timeout time.Duration, done func(*Command, error)) {
	c.start(numbered{cmd}, timeout, done)
}

// GoPull is Go for a PullRequest.
func (c *Conn) GoPull(p *PullRequest, timeout time.Duration, done func(*Command, error)) {
	c.start(p, timeout, done)
}

func (c *Conn) start(req appender, timeout time.Duration, done func(*Command, error)) *call {
	k := &call{done: done}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k.err = c.push(req, k); k.err != nil {
		k.err = fmt.Errorf("%w: %w", ErrNotSent, k.err)
		c.refuse(k)
		return k
	}
	c.waiting[k.opaque] = k
	c.wheel.add(k, timeout)
	return k
}

// push encodes req behind what waits to be written. c.mu is held.
func (c *Conn) push(req appender, k *call) error {
	if c.err != nil {
		return c.err
	}
	if len(c.out) >= c.cfg.MaxBuffered {
		return ErrBacklog
	}
	c.opaque++
	k.opaque = c.opaque
	out, err := req.Append(c.out, k.opaque, c.cfg.Credentials)
	if err != nil {
		return err
	}
	c.out = out
	select {
	case c.wake <- struct{}{}:
	default: // the writer will see these bytes too
	}
	return nil
}

// refuse calls k back from one goroutine for all that are refused meanwhile.
// c.mu is held.
func (c *Conn) refuse(k *call) {
	c.refused = append(c.refused, k)
	if c.refusing {
		return
	}
	c.refusing = true
	go func() {
		for {
			c.mu.Lock()
			batch := c.refused
			c.refused = nil
			c.refusing = len(batch) > 0
			c.mu.Unlock()
			if len(batch) == 0 {
				return
			}
			for _, k := range batch {
				k.done(nil, k.err)
			}
		}
	}()
}

// Do sends cmd and waits for its response, until ctx ends or, if ctx has no
// deadline, for 10 s. A response with a code other than Success is no error.
func (c *Conn) Do(ctx context.Context, cmd *Command) (*Command, error) {
	timeout := defaultTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = time.Until(deadline)
	}
	type answer struct {
		cmd *Command
		err error
	}
	answers := make(chan answer, 1)
	k := c.start(numbered{cmd}, max(timeout, 0), func(r *Command, err error) { answers <- answer{r, err} })
	select {
	case a := <-answers:
		return a.cmd, a.err
	case <-ctx.Done():
		c.forget(k)
		return nil, fmt.Errorf("wait for response: %w", context.Cause(ctx))
	}
}

// forget takes k out if it still waits, so that its callback is not called.
func (c *Conn) forget(k *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting[k.opaque] == k {
		delete(c.waiting, k.opaque)
		c.wheel.remove(k)
	}
}

// Oneway sends cmd and expects no response; nil means that it was queued.
func (c *Conn) Oneway(cmd *Command) error {
	oneway := *cmd
	oneway.Flag |= FlagOneway
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.push(numbered{&oneway}, &call{}); err != nil {
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	return nil
}
