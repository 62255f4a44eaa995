package redisstore

import (
	"context"
	"sync"
	"time"
)

const (
	quotaFresh = 10 * time.Second // how long a count is good while far from its limit
	quotaClose = time.Second      // and from nine tenths of it on
)

// quota is a count that never falls, kept in Redis, with a limit. It is asked for as seldom as its distance from the limit
// allows, so instances that add very many at once exceed the limit by what they do in that time.
type quota struct {
	max  int64 // 0 = no limit
	now  func() time.Time
	ask  func(ctx context.Context) (int64, error)
	near func(count int64) // called once, when eight tenths of the limit are reached

	mu     sync.Mutex // protects the fields below
	count  int64
	at     time.Time
	warned bool
}

// current asks for the count.
func (q *quota) current(ctx context.Context) (int64, error) {
	count, err := q.ask(ctx)
	if err != nil {
		return 0, err
	}
	q.mu.Lock()
	q.count, q.at = count, q.now()
	warn := q.max > 0 && count >= q.max/10*8 && !q.warned
	q.warned = q.warned || warn
	q.mu.Unlock()
	if warn {
		q.near(count)
	}
	return count, nil
}

// full reports whether the limit is reached, by a count that is fresh enough.
func (q *quota) full(ctx context.Context) (bool, error) {
	q.mu.Lock()
	count, age := q.count, q.now().Sub(q.at)
	asked := !q.at.IsZero()
	q.mu.Unlock()
	fresh := quotaFresh
	if q.max > 0 && count >= q.max/10*9 {
		fresh = quotaClose
	}
	if !asked || age >= fresh {
		var err error
		if count, err = q.current(ctx); err != nil {
			return false, err
		}
	}
	return q.max > 0 && count >= q.max, nil
}

// add counts what this instance has added since it asked.
func (q *quota) add(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.count += n
}
