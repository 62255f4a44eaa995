package redisstore

import "sync"

// retainQuota decides whether one more topic may be added, by an estimate of their number: the last count, what this
// process added or removed since, and what it is just adding. After step additions it is counted anew, so that each
// further instance can exceed the limit by step topics at most.
type retainQuota struct {
	max, step int64

	mu       sync.Mutex // protects what follows
	count    int64      // as last counted, and changed by ours since
	added    int64      // by us since it was counted
	inflight int64      // allowed, outcome not known yet
}

// newRetainQuota makes a quota that must be counted first.
func newRetainQuota(limit int64) *retainQuota {
	step := max(1, min(100, limit/100))
	return &retainQuota{max: limit, step: step, added: step}
}

// take asks for one topic more. After true, done must be called; after false it is to be counted.
func (q *retainQuota) take() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.added+q.inflight >= q.step || q.count+q.inflight >= q.max {
		return false
	}
	q.inflight++
	return true
}

// takeCounted sets what a count returned and asks again; false is final.
func (q *retainQuota) takeCounted(n int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count, q.added = n, 0
	if q.count+q.inflight >= q.max {
		return false
	}
	q.inflight++
	return true
}

// done ends what take began; added is the number of topics that came of it, negative if some went.
func (q *retainQuota) done(taken bool, added int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if taken {
		q.inflight--
	}
	q.count = max(q.count+added, 0)
	q.added += max(added, 0)
}
