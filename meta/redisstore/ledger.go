package redisstore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	countTTL     = 24 * time.Hour // a process that holds nothing for so long asserts its holdings once too often
	countWindow  = 4096           // hold scripts of one process that may be under way on one slot
	countsInTurn = 8              // slots whose counts a Check looks at
	countsLast   = 4              // of these, on one server, the last that were told of: more than are commonly under way at once
)

// ledger knows, for each slot of the registry, how many hold scripts of this process Redis has said it ran. Redis counts
// them too, in the same scripts: when it then knows of fewer, or says a number twice, it has lost holdings of ours.
type ledger struct {
	mu     sync.Mutex // protects all fields
	counts map[slot]*tally
	slots  []slot // those of counts, in the order of their first Hold
	last   []slot // those told of last, the newest at the end
	turn   int    // where the next Check begins
	lost   bool   // a loss was found and not yet reported
}

// told notes the number that a hold script answered.
func (l *ledger) told(at slot, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = make(map[slot]*tally)
	}
	c := l.counts[at]
	if c == nil {
		c = new(tally)
		l.counts[at] = c
		l.slots = append(l.slots, at)
	}
	if !c.note(n) {
		l.lost = true
	}
	if i := slices.Index(l.last, at); i >= 0 {
		l.last = slices.Delete(l.last, i, i+1)
	} else if len(l.last) == countsLast {
		l.last = slices.Delete(l.last, 0, 1)
	}
	l.last = append(l.last, at)
}

// audit is what one Check asks: the counts that Redis must at least know.
type audit struct {
	slots []slot
	least []uint64
	one   *redis.SliceCmd    // on one server
	each  []*redis.StringCmd // on a cluster
}

// audit adds the questions to a trip: on one server in one command, on a cluster in one for each.
func (s *Store) audit(ctx context.Context, t *trip) *audit {
	_, cluster := s.client.(*redis.ClusterClient)
	a := s.ledger.pick(cluster)
	if len(a.slots) == 0 {
		return a
	}
	keys := make([]string, len(a.slots))
	for i, at := range a.slots {
		keys[i] = at.count(s.id)
	}
	if !cluster {
		a.one = t.pipe.MGet(ctx, keys...)
		return a
	}
	for _, key := range keys {
		a.each = append(a.each, t.pipe.Get(ctx, key))
	}
	return a
}

// pick chooses a few counts, since every Check carries their names. What a failover or a restart loses of one server is
// the end of its history: if the count that was changed last is there, so are all before it. On a cluster each node has a
// history of its own, and so may have what a proxy makes look like one server: therefore the others come in turn.
func (l *ledger) pick(cluster bool) *audit {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := new(audit)
	look := func(at slot) {
		a.slots = append(a.slots, at)
		a.least = append(a.least, l.counts[at].max)
	}
	if !cluster {
		for _, at := range l.last {
			look(at)
		}
	}
	fixed := len(a.slots)
	for range l.slots {
		if len(a.slots) == countsInTurn {
			break
		}
		at := l.slots[l.turn%len(l.slots)]
		l.turn++
		if !slices.Contains(a.slots[:fixed], at) {
			look(at)
		}
	}
	return a
}

// answers are the counts that Redis knows; one that it does not know is 0.
func (a *audit) answers() ([]uint64, error) {
	known := make([]uint64, len(a.slots))
	for i := range a.slots {
		var text string
		if a.one != nil {
			values, err := a.one.Result()
			if err != nil {
				return nil, err
			}
			text, _ = values[i].(string)
		} else {
			var err error
			if text, err = a.each[i].Result(); err != nil && !errors.Is(err, redis.Nil) {
				return nil, err
			}
		}
		n, err := parseCount(text)
		if err != nil {
			return nil, err
		}
		known[i] = n
	}
	return known, nil
}

// settle reports whether Redis lost holdings of ours. It then forgets all counts, since the caller asserts all its
// holdings again: so a loss on several slots is reported once.
func (l *ledger) settle(a *audit) (bool, error) {
	known, err := a.answers()
	if err != nil {
		return false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, at := range a.slots {
		if c := l.counts[at]; c != nil && known[i] < a.least[i] && c.max >= a.least[i] { // else it was reported meanwhile
			l.lost = true
		}
	}
	if !l.lost {
		return false, nil
	}
	l.counts, l.slots, l.last, l.turn, l.lost = nil, nil, nil, 0, false
	return true, nil
}

// tally is the greatest number told, and which of those just below it were: answers may overtake each other.
type tally struct {
	max  uint64
	seen [countWindow / 64]uint64
}

func (c *tally) bit(n uint64) (*uint64, uint64) {
	n %= countWindow
	return &c.seen[n/64], 1 << (n % 64)
}

// note returns false for a number that was told before, or is too old to have been under way: then Redis went back.
func (c *tally) note(n uint64) bool {
	switch {
	case n <= c.max && c.max-n >= countWindow:
		c.restart(n)
		return false
	case n <= c.max:
		word, bit := c.bit(n)
		if *word&bit != 0 {
			c.restart(n)
			return false
		}
		*word |= bit
		return true
	}
	if n-c.max >= countWindow {
		c.seen = [countWindow / 64]uint64{}
	} else {
		for i := c.max + 1; i < n; i++ {
			word, bit := c.bit(i)
			*word &^= bit
		}
	}
	word, bit := c.bit(n)
	*word |= bit
	c.max = n
	return true
}

// restart begins anew with what Redis knows.
func (c *tally) restart(n uint64) {
	*c = tally{max: n}
	word, bit := c.bit(n)
	*word |= bit
}
