package rocketmq

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	// returnTimeout is how long a broker may take to answer.
	returnTimeout = 5 * time.Second
	// returnsSent bounds the changes under way, returnBacklog those that wait.
	returnsSent   = 1024
	returnBacklog = 65536
)

// ReturnPopped changes a message's invisible time to after from now on: 0 gives
// it back to its group (the broker hands it out again some seconds later), more
// keeps it longer. It returns at once; at most 1024 are under way at a time,
// the others wait. done is called exactly once, from any goroutine, possibly
// before ReturnPopped returns; it must not block. It gets the handle that is
// good from now on; after an error either may be, and the message comes back
// after the one time or the other. Nothing is sent twice, else the message
// would come back twice. Errors: ErrExpired (too late), ErrBusy (65,536 wait),
// ErrNoBroker (no connection just now), ErrStopped, or what the broker said.
func (c *Client) ReturnPopped(h Handle, after time.Duration, done func(Handle, error)) {
	c.returner.add(&returning{h: h, after: max(after, 0), done: done})
}

// returning is one change of an invisible time.
type returning struct {
	h     Handle
	after time.Duration
	done  func(Handle, error)
}

func (r *returning) request() *remoting.Command {
	return remoting.NewRequest(remoting.ChangeMessageInvisibleTime, map[string]string{
		"consumerGroup": r.h.group, "topic": r.h.topic, "queueId": strconv.Itoa(int(r.h.queueID)),
		"offset": strconv.FormatInt(r.h.offset, 10), "extraInfo": r.h.extraInfo(), "bname": r.h.broker,
		"invisibleTime": strconv.FormatInt(r.after.Milliseconds(), 10),
	}, nil)
}

// answer reads the broker's answer.
func (r *returning) answer(a *remoting.Command, err error) (Handle, error) {
	if err == nil && a.Code != remoting.Success {
		err = answerError(a)
	}
	if err != nil {
		return r.h, fmt.Errorf("change invisible time: %w", err)
	}
	h := r.h
	h.start, h.invisible, h.until = h.offset, r.after.Milliseconds(), time.Now().Add(r.after)
	var bad error
	if h.popTime, bad = strconv.ParseInt(a.Ext["popTime"], 10, 64); bad != nil {
		return r.h, fmt.Errorf("change invisible time: pop time %q: %w", a.Ext["popTime"], errPopAnswer)
	}
	return h, nil
}

// returner sends changes of invisible times.
type returner struct {
	c *Client

	mu      sync.Mutex // protects the fields below
	sent    int
	waiting fifo[*returning]
	count   int // in waiting
}

// add has r sent when it is its turn.
func (t *returner) add(r *returning) {
	t.c.work(1)
	if err := t.push(r); err != nil {
		t.settle(r, r.h, err)
		return
	}
	t.run()
}

func (t *returner) push(r *returning) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.c.ctx.Err() != nil:
		return ErrStopped
	case !time.Now().Before(r.h.until):
		return ErrExpired
	case t.count >= returnBacklog:
		return ErrBusy
	}
	t.waiting.push(r)
	t.count++
	return nil
}

// run sends what waits, as far as it may.
func (t *returner) run() {
	for r := t.next(); r != nil; r = t.next() {
		conn := t.c.cluster.link(r.h.broker).control.get()
		if conn == nil {
			t.ended()
			t.settle(r, r.h, ErrNoBroker)
			continue
		}
		conn.Go(r.request(), returnTimeout, func(a *remoting.Command, err error) {
			h, err := r.answer(a, err)
			t.ended()
			t.settle(r, h, err)
			t.run()
		})
	}
}

// next gives a place to the first that waits; nil if there is neither.
func (t *returner) next() *returning {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent >= returnsSent || t.waiting.empty() {
		return nil
	}
	t.sent++
	t.count--
	return t.waiting.pop()
}

func (t *returner) ended() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent--
}

// settle calls back.
func (t *returner) settle(r *returning, h Handle, err error) {
	r.done(h, err)
	t.c.work(-1)
}
