package client

import (
	"fmt"
	"time"

	"lmqgate/meta/message"
)

// abandoned is asked right before each send. What is not sent any more is repeated by the client's next connection,
// which waits RepeatWait after it took the session over: so no send of this one may come later than that, whether or not
// the word of the takeover has come. A recent fenced write shows that there was none.
func (in *inbound) abandoned() bool {
	c := in.c
	if c.ending.begun() || !c.srv.deps.Lease.Valid() {
		return true
	}
	return in.persist && c.srv.now()-in.fresh.Load() > int64(c.srv.cfg.RepeatWait-time.Second)
}

// unsure reports whether a fenced write is due so that what waits for the log is not abandoned.
func (c *client) unsure(now int64) bool {
	in := c.in.Load()
	return in != nil && in.persist && in.unsent.Load() > 0 && now-in.fresh.Load() > int64(500*time.Millisecond)
}

// renew writes what is known of one publication once more.
func (in *inbound) renew() {
	in.mu.Lock()
	var r *received
	for _, one := range in.ids {
		if one.stage == stageRunning && one.Key != "" {
			r = one
			break
		}
	}
	if r == nil || in.closed {
		in.mu.Unlock()
		return
	}
	in.write(r, func(error) {})
	in.mu.Unlock()
	in.c.writer.Mark(true)
}

// prepare keeps key and place before anything is sent, so that a repeat goes the same way.
func (in *inbound) prepare(r *received, key string, at message.Place, ready func(error)) {
	if !in.persist {
		ready(nil)
		return
	}
	in.mu.Lock()
	r.Key, r.Topic, r.Broker, r.Queue, r.AtMillis = key, at.Topic, at.Broker, at.Queue, in.c.srv.cfg.Now().UnixMilli()
	in.mu.Unlock()
	in.keep(r, ready)
}

// errUnkept ends a publication whose record could not be written; lost says why and closes the connection.
var errUnkept = fmt.Errorf("packet id not recorded: %w", message.ErrAbandoned)

// keep writes r; ready is called when that is done, or abandons the publication.
func (in *inbound) keep(r *received, ready func(error)) {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		ready(message.ErrAbandoned)
		return
	}
	in.write(r, func(err error) {
		if err != nil {
			err = errUnkept
		}
		ready(err)
	})
	in.mu.Unlock()
	in.c.writer.Mark(true)
}

// prepareAgain waits until what an earlier owner may still have had on its way to the broker has arrived or never will.
func (in *inbound) prepareAgain(r *received, ready func(error)) {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		ready(message.ErrAbandoned)
		return
	}
	in.resting = append(in.resting, func(err error) {
		if err != nil || !in.persist {
			ready(err)
			return
		}
		in.keep(r, ready)
	})
	if in.rest == nil {
		in.rest = time.AfterFunc(max(0, time.Duration(in.restful-in.c.srv.now())), in.rested)
	} else if len(in.resting) == 1 {
		in.rest.Reset(max(0, time.Duration(in.restful-in.c.srv.now())))
	}
	in.mu.Unlock()
}

// rested lets repeats go on.
func (in *inbound) rested() {
	in.mu.Lock()
	resting := in.resting
	in.resting = nil
	in.mu.Unlock()
	for _, fn := range resting {
		fn(nil)
	}
}

// write notes r to be written. Called under in.mu.
func (in *inbound) write(r *received, after func(error)) {
	if !r.toWrite {
		r.toWrite = true
		in.set = append(in.set, r)
	}
	in.after = append(in.after, after)
}

// drop notes the record of a packet id to be deleted. Called under in.mu.
func (in *inbound) drop(id uint16, after func(error)) {
	in.dropped = append(in.dropped, id)
	in.after = append(in.after, after)
}
