package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// CanaryLMQ is the LMQ through which every broker's index is tried, one of that name on each. No filter's messages go there.
const CanaryLMQ = LMQPrefix + "lmqgate-canary"

// ErrStalled: the broker acknowledges messages but has stopped indexing them, so nobody can read them. Wraps with
// ErrRejected when the message was not sent, with ErrUnknown when it was acknowledged while that was found out: it will be
// readable once the index has caught up, which is what FindKey waits for.
var ErrStalled = errors.New("broker no longer indexes what it stores")

const (
	canaryPatience = 3 * time.Second // after which an acknowledged canary that is not in its LMQ is a stall; 0.1 s is slow
	canaryAgain    = 10 * time.Second
	canaryLimit    = time.Second
	canaryKeys     = 16 // canaries of one stall that are looked for
)

// canaries send a message through the index of every master now and then (architecture decision 11): send, LMQ, pull. A
// broker whose canary is acknowledged and does not come out is stalled until one does. A broker that does not answer, or
// refuses the canary, is not: sends find that out themselves.
//
// Every instance has its own: at Config.CanaryEvery of 10 s, 100 instances are 10 messages and some 30 short requests a
// second for a broker, and each sees what its own messages would.
type canaries struct {
	c     *Client
	count atomic.Int32 // brokers that are stalled now

	mu      sync.Mutex // protects the fields below
	stalled map[string]time.Time
	denied  map[string]error // by access control; the canaries' rights are those of every client's messages
	trying  map[string]bool
}

// refused returns why access control lets broker take or hand out no canary, nil if it does.
func (k *canaries) refused(broker string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.denied[broker]
}

// judge notes whether access control refused a step of a canary; other errors leave what was known.
func (k *canaries) judge(broker string, err error) {
	denied := errors.Is(err, ErrLogin) || errors.Is(err, ErrPermission)
	if err != nil && !denied {
		return
	}
	k.mu.Lock()
	was := k.denied[broker]
	if denied {
		k.denied[broker] = err
	} else {
		delete(k.denied, broker)
	}
	k.mu.Unlock()
	switch {
	case denied && was == nil:
		k.c.cfg.Logger.Error("broker refuses what every client needs", "broker", broker, "error", err, "remedy", k.c.remedy(err))
	case !denied && was != nil:
		k.c.cfg.Logger.Info("broker allows what every client needs", "broker", broker)
	}
}

// Stalled tells since when broker has acknowledged messages without indexing them; ok is false if it does not.
func (c *Client) Stalled(broker string) (since time.Time, ok bool) { return c.canaries.is(broker) }

func (k *canaries) is(broker string) (since time.Time, ok bool) {
	if k.count.Load() == 0 {
		return time.Time{}, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	since, ok = k.stalled[broker]
	return since, ok
}

// set notes what a canary found out.
func (k *canaries) set(broker string, stalled bool) {
	k.mu.Lock()
	since, was := k.stalled[broker]
	if stalled && !was {
		k.stalled[broker] = time.Now()
	} else if !stalled {
		delete(k.stalled, broker)
	}
	k.count.Store(int32(len(k.stalled)))
	k.c.metrics.stalled.Set(float64(len(k.stalled)))
	k.mu.Unlock()
	switch {
	case stalled && !was:
		k.c.cfg.Logger.Error("broker acknowledges messages but no longer indexes them; nothing is sent there, and nothing acknowledged, until it does",
			"broker", broker, "remedy", "look at its log for errors of the reput or dispatch service; a bad INNER_MULTI_DISPATCH of another application may be the cause")
	case !stalled && was:
		k.c.cfg.Logger.Info("broker indexes messages again", "broker", broker, "after", time.Since(since).Round(time.Millisecond).String())
	}
}

// loop tries every known broker until ctx ends.
func (k *canaries) loop(ctx context.Context) {
	every := k.c.cfg.CanaryEvery
	for wait := every / 5; sleep(ctx, jitter(wait)) == nil; wait = every {
		for _, b := range k.c.Brokers() {
			if !k.begin(b.Name) {
				continue
			}
			k.c.wg.Go(func() {
				defer k.done(b.Name)
				k.try(ctx, b.Name)
				for k.refused(b.Name) != nil && k.known(b.Name) && sleep(ctx, jitter(every/5)) == nil { // who reads of it may grant it
					k.try(ctx, b.Name)
				}
			})
		}
	}
}

// begin lets one try at a time run for a broker.
func (k *canaries) begin(broker string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.trying[broker] {
		return false
	}
	k.trying[broker] = true
	return true
}

func (k *canaries) done(broker string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.trying, broker)
}

// try sends a canary and waits until it, or one sent after it, comes out.
func (k *canaries) try(ctx context.Context, broker string) {
	began := time.Now()
	bird, err := k.release(ctx, broker)
	if err != nil {
		k.judge(broker, err)
		k.c.metrics.canaries.WithLabelValues("unsent").Inc()
		k.c.cfg.Logger.Debug("no canary sent", "broker", broker, "error", err)
		return
	}
	result := "late"
	for n := 1; ; n++ {
		seen, err := k.look(ctx, broker, bird)
		if seen || err != nil {
			k.judge(broker, err)
		}
		switch {
		case seen:
			if _, stalled := k.is(broker); !stalled {
				result = "ok"
			}
			k.c.metrics.canaries.WithLabelValues(result).Inc()
			k.c.metrics.canarySeconds.Observe(time.Since(began).Seconds())
			k.set(broker, false)
			return
		case ctx.Err() != nil, !k.known(broker):
			k.set(broker, false)
			return
		case err == nil && k.c.Boot(broker) == bird.boot && time.Since(bird.sent) > canaryPatience:
			k.set(broker, true)
		}
		if k.c.Boot(broker) != bird.boot || time.Since(bird.sent) > canaryAgain { // it may have gone with the broker
			if again, err := k.release(ctx, broker); err == nil {
				bird.sent, bird.boot = again.sent, again.boot
				bird.from = min(bird.from, again.from)
				for key := range again.keys {
					bird.add(key)
				}
			}
		}
		_ = sleep(ctx, backoff(n, 5*time.Millisecond, canaryLimit))
	}
}

// bird is a canary on its way, or several.
type bird struct {
	keys map[string]bool
	from int64 // no canary of keys is before this offset
	sent time.Time
	boot uint64 // of the broker, when it was sent last
}

func (b *bird) add(key string) {
	if len(b.keys) >= canaryKeys {
		clear(b.keys) // those of a stall that lasts: the newest do
	}
	b.keys[key] = true
}

// release sends a canary; where its queue ends is asked before.
func (k *canaries) release(ctx context.Context, broker string) (*bird, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	b := &bird{keys: map[string]bool{}, boot: k.c.Boot(broker)}
	var err error
	if b.from, err = k.c.MaxOffset(ctx, LMQ{broker, CanaryLMQ}); err != nil {
		return nil, err
	}
	key, err := k.c.tryCanary(ctx, broker, CanaryLMQ)
	if err != nil {
		return nil, fmt.Errorf("send canary: %w", err)
	}
	b.add(key)
	b.sent = time.Now()
	return b, nil
}

// look reads on in the canaries' queue; without an error and unseen the broker has answered that it is not there.
func (k *canaries) look(ctx context.Context, broker string, b *bird) (seen bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	for {
		r, err := k.c.Pull(ctx, LMQ{broker, CanaryLMQ}, b.from, MaxPull)
		if err != nil {
			return false, err
		}
		for _, m := range r.Messages {
			if b.keys[m.Key] {
				return true, nil
			}
		}
		if r.Status == NoNew || r.Status == Retry && r.Next <= b.from {
			return false, nil
		}
		if r.Status == OffsetMoved && r.Min >= r.Max {
			b.from = min(b.from, r.Max)
			return false, nil
		}
		b.from = r.Next
	}
}

func (k *canaries) known(broker string) bool {
	for _, b := range k.c.Brokers() {
		if b.Name == broker {
			return true
		}
	}
	return false
}

// sound leaves out the queues of brokers that are stalled, unless all are. A message that was never sent goes to another
// broker then, as it does when the broker is away: its order relative to what the stalled one has is lost, since that
// becomes readable only later. One whose place is settled waits.
func (c *Client) sound(queues []Queue) []Queue {
	if c.canaries.count.Load() == 0 {
		return queues
	}
	kept := make([]Queue, 0, len(queues))
	for _, q := range queues {
		if _, stalled := c.canaries.is(q.Broker); !stalled {
			kept = append(kept, q)
		}
	}
	if len(kept) == 0 {
		return queues
	}
	return kept
}
