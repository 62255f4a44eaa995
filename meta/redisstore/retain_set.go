package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
	"lmqgate/meta/topic"
)

// codeLimit is the answer of retain_set to a topic too many.
const codeLimit = 3

// retainWrite is a call of retain_set.
type retainWrite struct {
	name  string
	value []byte // nil = remove
	ttl   string // ms, "" = for ever
	taken bool   // holds a place of the quota
	cmd   *redis.Cmd
	err   error // of the last attempt
}

// Set keeps or removes a message; see retain.Store. It is one round trip, and three when the topic is new and the
// number of topics must be counted first: once in so many additions, and always at the limit.
//
// With several instances the limit may be exceeded by 1 % of it, 100 at most, for each of them.
func (r *Retained) Set(ctx context.Context, m *message.Message) error {
	return r.SetAll(ctx, []*message.Message{m})[0]
}

// SetAll keeps or removes messages; see retain.Store. On a cluster, messages on several nodes go to them at once. New topics
// beyond what may be added without a count cost two round trips more for each count; see Set.
func (r *Retained) SetAll(ctx context.Context, messages []*message.Message) []error {
	errs := make([]error, len(messages))
	writes, which := r.writesOf(messages, errs)
	for left := r.write(ctx, writes); len(left) > 0; {
		left = r.writeCounted(ctx, left)
	}
	for i := range errs {
		if errs[i] == nil {
			errs[i] = which[i].err
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("set retained message: %w", errs[i])
		}
	}
	return errs
}

// writesOf returns what is to be written, each topic once: a script that the server had to be sent again could otherwise
// overtake the next one of its topic. It says of each message which write that is, or what is wrong with it.
func (r *Retained) writesOf(messages []*message.Message, errs []error) (writes, which []*retainWrite) {
	which = make([]*retainWrite, len(messages))
	byName := make(map[string]*retainWrite, len(messages))
	for i, m := range messages {
		if errs[i] = r.refuse(m); errs[i] != nil {
			continue
		}
		w := byName[m.Topic]
		if w == nil {
			w = &retainWrite{name: m.Topic}
			byName[m.Topic] = w
			writes = append(writes, w)
		}
		which[i] = w
		w.value, w.ttl = r.valueOf(m)
	}
	for _, w := range writes {
		w.taken = w.value != nil && r.quota.take()
	}
	return writes, which
}

// refuse says what of a message itself forbids to keep it.
func (r *Retained) refuse(m *message.Message) error {
	if err := topic.ValidName(m.Topic); err != nil {
		return err
	}
	if len(m.Payload) > r.maxPayload {
		return retain.ErrTooLarge
	}
	return nil
}

// valueOf returns what is stored for a message and how long, nil if what is there is to go.
func (r *Retained) valueOf(m *message.Message) (value []byte, ttl string) {
	live, expires := r.lifetime(m)
	if len(m.Payload) == 0 || (expires && live < time.Millisecond) {
		return nil, ""
	}
	if expires {
		ttl = millis(live)
	}
	return encodeRetained(m), ttl
}

// writeCounted counts the topics and writes as many of the new ones as may be added; it returns those that want another
// count.
func (r *Retained) writeCounted(ctx context.Context, left []*retainWrite) []*retainWrite {
	n, err := r.Count(ctx)
	if err == nil && !r.quota.takeCounted(n) {
		err = retain.ErrLimit
	}
	if err != nil {
		for _, w := range left {
			w.err = err
		}
		return nil
	}
	taken := 0
	for taken == 0 || (taken < len(left) && r.quota.take()) {
		left[taken].taken = true
		taken++
	}
	return append(r.write(ctx, left[:taken]), left[taken:]...)
}

// write sends the writes in one trip, tells the quota, and returns those whose topic is new and may not be added yet.
func (r *Retained) write(ctx context.Context, writes []*retainWrite) (limited []*retainWrite) {
	if len(writes) == 0 {
		return nil
	}
	t := r.store.trip()
	for _, w := range writes {
		slot := r.store.keys.retained(retainShard(w.name))
		allowed := "0"
		if w.taken {
			allowed = "1"
		}
		w.cmd = t.run(ctx, r.set, []string{slot.value(w.name), slot.index(), slot.expiry()},
			retainEntry+treeOrder(w.name), w.value, w.ttl, allowed)
	}
	_ = t.send(ctx) // each command has its own error
	for _, w := range writes {
		added, full, err := retainSetAnswer(w.cmd)
		if err != nil && w.taken {
			added = 1 // it may be there
		}
		r.quota.done(w.taken, added)
		w.taken, w.cmd, w.err = false, nil, err
		if full {
			limited = append(limited, w)
		}
	}
	return limited
}

// retainSetAnswer reads the answer of retain_set. full says that the topic is new and was not allowed.
func retainSetAnswer(cmd *redis.Cmd) (added int64, full bool, err error) {
	answer, err := cmd.Int64Slice()
	switch {
	case err != nil:
		return 0, false, err
	case len(answer) == 2 && answer[0] == codeDone:
		return answer[1], false, nil
	case len(answer) == 1 && answer[0] == codeLimit:
		return 0, true, nil
	case len(answer) == 1 && answer[0] == codeFormat:
		return 0, false, retain.ErrFormat
	}
	return 0, false, fmt.Errorf("unexpected script answer %v", answer)
}
