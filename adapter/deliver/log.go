package deliver

import "context"

// Ref names one light message queue on one broker.
type Ref struct{ Broker, LMQ string }

// Batch is the answer to one pull.
type Batch struct {
	Entries  []*Entry // ascending by Offset
	Next     int64    // where to read on
	Min, Max int64    // the queue's bounds at that moment
	Moved    bool     // the asked offset is outside of [Min, Max]
	Boot     uint64   // Log.Boot of the broker when the pull was sent
}

// Watch is a held pull on one LMQ.
type Watch interface {
	// Resume holds a pull again from offset, after the callback returned false.
	Resume(offset int64)
	// Close ends the watch. The callback may still be running when Close returns, but is not called again.
	Close()
}

// Log is where messages are read from. Implementations are safe for concurrent use.
type Log interface {
	// Brokers names the masters known now.
	Brokers() []string
	// Boot grows whenever a connection to the broker was lost: what answers with another one may be a broker that was started
	// again or has failed over, and that lost the end of its log.
	Boot(broker string) uint64
	// MaxOffsets returns the end of each LMQ on one broker, 0 for one that does not exist.
	MaxOffsets(ctx context.Context, broker string, lmqs []string) ([]int64, error)
	// Pull reads at most limit messages without waiting for new ones.
	Pull(ctx context.Context, r Ref, offset int64, limit int) (Batch, error)
	// Watch holds pulls from offset on and calls fn with each answer, one at a time; fn returns false to pause. An answer
	// without messages is passed on if its Boot is another one than that of the answer before.
	Watch(r Ref, offset int64, fn func(Batch) bool) Watch
}
