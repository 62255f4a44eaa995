package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
	"lmqgate/meta/topic"
)

// Bounds of one page.
const (
	retainPage      = 100      // messages, where the caller does not say
	retainMaxPage   = 1000     // messages
	retainLooks     = 500      // index entries that one script looks at
	retainNameBytes = 64 << 10 // bytes of them
	retainBytes     = 1 << 20  // bytes of values, more only by the last one of each script
	retainReads     = 64       // values that one script reads
	retainTrips     = 8        // round trips to find topics
)

// Match returns a page; see retain.Store. A filter without wildcards takes one command. Otherwise the walks through the
// indexes come first, usually in one round trip, then all values in one.
//
// A filter whose first level is a literal concerns one shard. One that begins with a wildcard concerns all: a page
// begins with one of them and asks four times as many at once as long as they hold little, so that a small store is
// done in one page.
func (r *Retained) Match(ctx context.Context, filter, cursor string, limit int) ([]*message.Message, string, error) {
	found, next, err := r.match(ctx, filter, cursor, limit)
	if err != nil {
		err = fmt.Errorf("match retained messages: %w", err)
	}
	r.metrics.found.Add(float64(len(found)))
	return found, next, err
}

func (r *Retained) match(ctx context.Context, filter, cursor string, limit int) ([]*message.Message, string, error) {
	if err := topic.ValidFilter(filter); err != nil {
		return nil, "", err
	}
	if !topic.IsWildcard(filter) {
		return r.matchName(ctx, filter, cursor)
	}
	if limit <= 0 {
		limit = retainPage
	}
	first, last := 0, retainShards-1
	if filter[0] != '+' && filter[0] != '#' {
		first = retainShard(filter)
		last = first
	}
	at, err := parseRetainCursor(cursor, first, last)
	if err != nil {
		return nil, "", err
	}
	hits, at, err := r.find(ctx, treeOrder(filter), at, last, min(limit, retainMaxPage))
	if err != nil {
		return nil, "", err
	}
	found, stopped, err := r.values(ctx, hits)
	if err != nil && !errors.Is(err, retain.ErrFormat) {
		return nil, "", err
	}
	if stopped != nil {
		at = *stopped
	}
	if at.shard > last {
		return found, "", err
	}
	return found, at.cursor(), err
}

// matchName is Match for a filter without wildcards.
func (r *Retained) matchName(ctx context.Context, name, cursor string) ([]*message.Message, string, error) {
	if cursor != "" {
		return nil, "", retain.ErrCursor
	}
	m, err := r.get(ctx, name)
	if errors.Is(err, retain.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	return []*message.Message{m}, "", nil
}

// retainHit is a topic that matched, in tree order.
type retainHit struct {
	shard int
	name  string
}

// find walks the indexes with a filter in tree order from a place on, and returns where to go on: behind the last shard if that was all.
func (r *Retained) find(ctx context.Context, filter string, at retainPlace, last, limit int) ([]retainHit, retainPlace, error) {
	var hits []retainHit
	shards := 1
	for trip := 0; trip < retainTrips && len(hits) < limit && at.shard <= last; trip++ {
		walks, err := r.walkShards(ctx, filter, at, min(shards, last-at.shard+1), limit-len(hits))
		if err != nil {
			return nil, at, err
		}
		shards *= 4
		for _, w := range walks {
			n := min(len(w.names), limit-len(hits))
			for _, name := range w.names[:n] {
				hits = append(hits, retainHit{at.shard, name})
			}
			if n < len(w.names) || !w.finished {
				shards = 1
				if at.from = w.next; n < len(w.names) {
					at = at.cut(w.names, n)
				}
				break
			}
			at = retainPlace{shard: at.shard + 1}
		}
	}
	return hits, at, nil
}

// cut is the place behind the first n of the names found from this one on.
func (p retainPlace) cut(names []string, n int) retainPlace {
	if n == 0 {
		return retainPlace{p.shard, names[0]}
	}
	return p.behind(names[n-1])
}

// retainWalk is the answer of retain_walk.
type retainWalk struct {
	finished bool
	next     string
	names    []string // in tree order
}

// walkShards walks the indexes of n shards at once, the first from the given place on, the others from their start.
func (r *Retained) walkShards(ctx context.Context, filter string, at retainPlace, n, limit int) ([]retainWalk, error) {
	t := r.store.trip()
	cmds := make([]*redis.Cmd, n)
	for i := range cmds {
		cmds[i] = t.run(ctx, r.walk, []string{r.store.keys.retained(at.shard).index()},
			at.from, limit, retainLooks, retainNameBytes, filter)
		at = retainPlace{shard: at.shard + 1}
	}
	if err := t.send(ctx); err != nil {
		return nil, err
	}
	walks := make([]retainWalk, n)
	for i, cmd := range cmds {
		answer := newReply(cmd)
		walks[i].finished = answer.uint() == 0
		r.metrics.looked.Add(float64(answer.uint()))
		walks[i].next = answer.string()
		for answer.err == nil && len(answer.items) > 0 {
			walks[i].names = append(walks[i].names, answer.string())
		}
		if answer.err != nil {
			return nil, answer.err
		}
	}
	return walks, nil
}
