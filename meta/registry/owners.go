package registry

import (
	"context"
	"time"
)

// Owners says which QoS 2 messages of a shared subscription belong to a member although the broker hands them out again.
// Filters are given whole, `$share/group/filter`. Implementations are safe for concurrent use.
type Owners interface {
	// Owned reports of each message, by its key, whether an entry of a session that holds the filter has it in flight, or it
	// was Finished. It reads the entries of all members: ask only about what was handed out before.
	Owned(ctx context.Context, filter string, keys []string) ([]bool, error)
	// Finished notes messages, for as long as keep, whose entries are about to be erased, but which may come again.
	Finished(ctx context.Context, filter string, keys []string, keep time.Duration) error
}
