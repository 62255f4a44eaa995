// Package registry knows which topic filters have at least one subscriber anywhere, so that a message is dispatched
// only to light message queues that somebody reads.
//
// The promise: once Hold has returned, every Match that begins afterwards, on any instance, finds the filter.
package registry

import "context"

// Hold is one session's interest in a filter. (Epoch, Seq) tags it: a release removes the holding only if the stored
// tag is not newer, so that an old owner cannot remove a new owner's.
type Hold struct {
	Filter   string
	ClientID string
	Epoch    uint64
	Seq      uint64
}

// Position is a place in the change log of wildcard filters. A token that does not continue ours, or a version below
// ours, means that the store was rolled back (Redis failover).
type Position struct {
	Version uint64
	Token   string
}

// Entry is one change of the set of held wildcard filters.
type Entry struct {
	Filter string
	Added  bool // false: the last holder has gone
}

// Update is what a Check found.
type Update struct {
	To         Position
	Entries    []Entry // in order; empty when nothing changed
	Reload     bool    // the log does not reach back to the given position: take a Snapshot
	RolledBack bool    // the store lost entries that we have seen: reload and re-assert the holdings of live sessions
}

// Store keeps holdings. Implementations are safe for concurrent use.
type Store interface {
	// Hold records holdings; on return they are visible to every Check that begins later.
	Hold(ctx context.Context, holds []Hold) error
	// Release removes holdings whose stored tag is not newer than the given one.
	Release(ctx context.Context, holds []Hold) error
	// Check returns, in one round trip, what changed after pos and which of the exact filters have a holder.
	Check(ctx context.Context, pos Position, exact []string) (Update, []bool, error)
	// Snapshot returns all held wildcard filters and the position they stand for.
	Snapshot(ctx context.Context) (Position, []string, error)
	// Holders lists the holdings of a filter page by page (cursor 0 starts, 0 ends), for reconciliation and admin.
	Holders(ctx context.Context, filter string, cursor uint64, limit int) ([]Hold, uint64, error)
	// Filters lists held filters page by page (cursor "" starts, "" ends), exact and wildcard.
	Filters(ctx context.Context, cursor string, limit int) ([]string, string, error)
}

// Count is how many hold a filter.
type Count struct {
	Holders int64 // holdings, those of groups' members included
	Groups  int64 // groups of shared subscriptions
}

// Counter counts holders without listing them.
type Counter interface {
	// Counts returns the counts of filters, in their order, in one round trip; filters are given without `$share/group/`.
	Counts(ctx context.Context, filters []string) ([]Count, error)
}
