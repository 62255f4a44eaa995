package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"lmqgate/meta/access"
)

// maxLimited bounds how many addresses, and how many users, are remembered.
const maxLimited = 10_000

// Limited refuses logins from an address, or of a user, with too many failures lately, without asking Verifier: guessing is
// slow then. Who gets in is not counted, nor who shows nothing that a method looks at. Safe for concurrent use.
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
		return access.Identity{}, errOver
	}
	id, err := v.Verifier.Verify(ctx, l)
	if v.tooLate(keys, err) {
		return access.Identity{}, errOver
	}
	return id, err
}

var errOver = fmt.Errorf("too many failed logins from this address or of this user: %w", access.ErrLimited)

// tooLate counts a failure and reports whether there were too many while the login was looked at: guesses that are made all
// at once are told no more than guesses one by one.
func (v *Limited) tooLate(keys []string, err error) bool {
	switch denied := errors.Is(err, access.ErrDenied); {
	case err != nil && !denied, errors.Is(err, errNobody):
		return false
	case v.over(keys):
		return true
	case denied:
		return !v.count(keys)
	}
	return false
}

// network is an address as it is counted. IPv6 addresses of one customer are many: the first 64 bits count.
func network(at netip.Addr) netip.Addr {
	at = at.Unmap()
	if p, err := at.Prefix(64); at.Is6() && err == nil {
		return p.Addr()
	}
	return at
}

// limitKeys are what failures are counted by. A user's failures
// count by address too, or anybody could lock a user out from everywhere.
func limitKeys(l *access.Login) []string {
	at := network(l.Address)
	keys := []string{"a" + at.String()}
	if name := l.Username; name != "" {
		if len(name) > sha256.Size {
			sum := sha256.Sum256([]byte(name))
			name = string(sum[:])
		}
		keys = append(keys, "u"+at.String()+" "+name)
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
	return v.full(keys)
}

// full is over, called under v.mu.
func (v *Limited) full(keys []string) bool {
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

// count counts a failure, or reports that there are too many already.
func (v *Limited) count(keys []string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.full(keys) {
		return false
	}
	if v.failed == nil {
		v.failed = make(map[string]tally)
	}
	for _, k := range keys {
		if len(v.failed) >= maxLimited {
			v.makeRoom()
		}
		v.failed[k] = tally{v.left(v.failed[k]) + 1, v.now()}
	}
	return true
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
