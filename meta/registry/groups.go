package registry

import (
	"context"
	"errors"
	"time"
)

// ErrNoGroup says that nobody holds a filter for the group.
var ErrNoGroup = errors.New("shared subscription group has no member")

// ErrTooManyGroups says that a filter has as many groups as it may have.
var ErrTooManyGroups = errors.New("too many shared subscription groups of one filter")

// Life is one life of the group of a shared subscription: from its first member, offline ones included, to its last.
type Life struct {
	Token   string   // tells it from every other life; at most 64 letters and digits
	Since   int64    // ms by the store's clock: what was published after the first member's SUBACK is not older
	Brokers []string // those on which the group's position was committed when it began
}

// Stage says how far the beginning of a life is.
type Stage byte

const (
	// StageBegun is a life that every member takes part in.
	StageBegun Stage = iota + 1
	// StageBegin asks the caller to begin the life, and to say so with Begun within the lease.
	StageBegin
	// StageWait says that somebody else is beginning it.
	StageWait
)

// Groups keeps the lives of the groups of shared subscriptions. A holding of `$share/group/filter` makes its holder a
// member: the group's first Hold begins a life, the Release of the last holding ends it. Filters are given whole,
// `$share/group/filter`. Implementations are safe for concurrent use.
//
// A life is begun once, and no member uses one that was not begun: whoever takes over a beginning whose lease has lapsed
// gets another token, so nothing that the first one still does concerns anybody.
type Groups interface {
	// Join asks for the life of a group that the caller holds: ErrNoGroup if nobody does, ErrTooManyGroups instead of a
	// StageBegin that would exceed limit groups of the filter. With StageBegin the life has a Token and Since.
	Join(ctx context.Context, filter string, lease time.Duration, limit int) (Life, Stage, error)
	// Begun says that the life handed out with StageBegin has begun; false: the lease had lapsed and somebody took over.
	Begun(ctx context.Context, filter string, l Life) (bool, error)
	// Renew returns the life that the group has. One that the store has forgotten (failover) is set to l again;
	// ErrNoGroup if nobody holds the filter for it.
	Renew(ctx context.Context, filter string, l Life) (Life, error)
	// OnGroupEnd has fn called with each life that a Release of this store ended. fn must not block. It is to be called
	// before any Release.
	OnGroupEnd(fn func(filter string, l Life))
}
