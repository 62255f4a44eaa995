package redisstore

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// maxSuspects bounds what Reconcile remembers; beyond it, what looks wrong waits for a later round.
const maxSuspects = 100_000

// Reconciled counts what one call of Reconcile mended.
type Reconciled struct {
	Released  int  // holdings that no session had a subscription for
	Asserted  int  // subscriptions whose holdings were asserted again (most were there already)
	Detached  int  // sessions taken from instances that are gone
	Forgotten int  // entries of instances' lists that named sessions they no longer own
	RoundDone bool // everything was looked at once since the last time this was true
}

// reconciler is the memory of Reconcile: where it stands, and what looked wrong since when.
type reconciler struct {
	mu       sync.Mutex // held during a call; protects all fields
	phase    int
	sessions string // cursor of List
	holdings holdingsPass
	lists    listsPass
	round    uint64
	suspects map[suspect]sighting
}

// suspect is something that looks wrong but may be an operation under way: a SUBSCRIBE writes the registry before the
// session, an Attach the instance's list before the session. The tag or ticket in it tells a new operation from an old.
type suspect struct{ kind, a, b, tag string }

type sighting struct {
	first time.Time // by the clock of Redis
	round uint64    // round in which it was last seen
}

// old reports whether the suspect has been seen before and for longer than age; else it remembers it.
func (r *reconciler) old(what suspect, now time.Time, age time.Duration) bool {
	if r.suspects == nil {
		r.suspects = make(map[suspect]sighting)
	}
	seen, again := r.suspects[what]
	if !again {
		if len(r.suspects) < maxSuspects {
			r.suspects[what] = sighting{first: now, round: r.round}
		}
		return false
	}
	seen.round = r.round
	r.suspects[what] = seen
	return now.Sub(seen.first) >= age
}

// endRound forgets suspects that were not seen again.
func (r *reconciler) endRound() {
	for what, seen := range r.suspects {
		if seen.round < r.round {
			delete(r.suspects, what)
		}
	}
	r.round++
}

// Reconcile mends what crashes leave: it looks at about limit things and goes on there at the next call, round after
// round. Any number of instances may run it. It is for the slow repairs only; nothing waits for it.
//
//   - A holding without a subscription is released once it was seen so twice, ReconcileAge apart, with the same tag:
//     a SUBSCRIBE in progress, which writes the registry first, has a newer tag or is over by then.
//   - A subscription of a session is asserted again: a failover may have lost the holding of a session nobody serves.
//   - A session of an instance that has not lived for ReconcileAge is detached; ended ones are handed out by Expired.
//   - Detached and ended sessions, and clients with wills, are entered into due again, connected ones into their instance's list.
//   - Entries of instances' lists for sessions that they lost are removed.
func (s *Store) Reconcile(ctx context.Context, limit int) (Reconciled, error) {
	r := &s.reconciler
	r.mu.Lock()
	defer r.mu.Unlock()

	var did Reconciled
	now, all, err := s.leases(ctx)
	if err != nil {
		return did, fmt.Errorf("reconcile: %w", err)
	}
	limit = max(limit, 1)
	var done bool
	switch r.phase {
	case 0:
		done, err = s.reconcileSessions(ctx, now, all, limit, &did)
	case 1:
		done, err = s.reconcileHoldings(ctx, now, limit, &did)
	default:
		done, err = s.reconcileLists(ctx, now, all, limit, &did)
	}
	if err != nil {
		return did, fmt.Errorf("reconcile: %w", err)
	}
	if !done {
		return did, nil
	}
	if r.phase++; r.phase == 3 {
		r.phase = 0
		r.endRound()
		did.RoundDone = true
	}
	return did, nil
}
