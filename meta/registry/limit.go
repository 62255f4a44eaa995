package registry

import "context"

// Limit bounds the filters that were ever held: a broker never forgets the name of a queue. Implementations are safe for
// concurrent use.
type Limit interface {
	// Refused tells which of the filters must not be held because there are too many: those that nobody holds now, once the
	// limit is reached. Filters of shared subscriptions are given whole.
	Refused(ctx context.Context, filters []string) ([]bool, error)
}
