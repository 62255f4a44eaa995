package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lmqgate/meta/access"
)

// maxLimited bounds how many addresses, and how many users, are remembered.
const maxLimited = 10_000

// Limited refuses logins from an address, or of a user, with too many failures lately, without asking Verifier: guessing is
// slow then. Who gets in is not counted. Safe for concurrent use.
type Limited struct {
	Verifier access.Verifier
	Failures int           // allowed at once; 0: any number
	Every    time.Duration // after which one more is
	Now      func() time.Time

	mu     sync.Mutex // protects failed
	failed map[string]tally
}

// tally is a token bucket that fills with failures.
type tally struct {
	n  float64
	at time.Time
}

var _ access.Verifier = (*Limited)(nil)

// Verify implements access.Verifier. The error of a refusal without looking is access.ErrLimited.
func (v *Limited) Verify(ctx context.Context, l *access.Login) (access.Identity, error) {
	if v.Failures <= 0 {
		return v.Verifier.Verify(ctx, l)
	}
	keys := limitKeys(l)
	if v.over(keys) {
		return access.Identity{}, fmt.Errorf("too many failed logins from this address or of this user: %w", access.ErrLimited)
	}
	id, err := v.Verifier.Verify(ctx, l)
	if errors.Is(err, access.ErrDenied) {
		v.count(keys)
	}
	return id, err
}

// limitKeys are what failures are counted by. IPv6 addresses of one customer are many: the first 64 bits count. A user's failures
// count by address too, or anybody could lock a user out from everywhere.
func limitKeys(l *access.Login) []string {
	at := l.Address
	if at.Is6() && !at.Is4In6() {
		if p, err := at.Prefix(64); err == nil {
			at = p.Addr()
		}
	}
	keys := []string{"a" + at.String()}
	if l.Username != "" {
		keys = append(keys, "u"+at.String()+" "+l.Username)
	}
	return keys
}

// limitOf is how many failures a key may have: an address has many users behind it.
func (v *Limited) limitOf(key string) float64 {
	if key[0] == 'a' {
		return float64(10 * v.Failures)
	}
	return float64(v.Failures)
}

func (v *Limited) over(keys []string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, k := range keys {
		if t, ok := v.failed[k]; ok && v.left(t) > v.limitOf(k)-1 {
			return true
		}
	}
	return false
}

// left is what a tally has come down to.
func (v *Limited) left(t tally) float64 {
	return max(0, t.n-float64(v.now().Sub(t.at))/float64(v.Every))
}

func (v *Limited) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

func (v *Limited) count(keys []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.failed == nil {
		v.failed = make(map[string]tally)
	}
	for _, k := range keys {
		if len(v.failed) >= maxLimited {
			v.makeRoom()
		}
		v.failed[k] = tally{v.left(v.failed[k]) + 1, v.now()}
	}
}

// makeRoom drops the emptiest of some tallies. Called under v.mu.
func (v *Limited) makeRoom() {
	drop, least, looked := "", 0.0, 0
	for k, t := range v.failed {
		n := v.left(t)
		if n == 0 {
			delete(v.failed, k)
			drop = ""
			return
		}
		if looked == 0 || n < least {
			drop, least = k, n
		}
		if looked++; looked == 32 {
			break
		}
	}
	delete(v.failed, drop)
}
