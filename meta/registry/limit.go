package registry

import "context"

// Limit bounds the filters that were ever held: a broker never forgets the name of a queue. Implementations are safe for
// concurrent use.
type Limit interface {
	// Refused tells which of the filters must not be held because there are too many: those that nobody holds now, once the
	// limit is reached. Filters of shared subscriptions are given whole.
	Refused(ctx context.Context, filters []string) ([]bool, error)
}

// OwnLimit bounds the clients that have a queue of their own, for what is sent to them point to point: it is one more that a
// broker does not forget. Implementations are safe for concurrent use.
type OwnLimit interface {
	// Refused reports whether a client that begins a session must not have a queue of its own, since too many different clients
	// had one and this one had none; otherwise it is counted as one that has.
	Refused(ctx context.Context, clientID string) (bool, error)
}
