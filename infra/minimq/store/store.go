// Package store is the message store of minimq: one commit log, the index that
// maps queue offsets to it (ordinary queues and LMQs), and the key index, all in
// memory and bounded. It knows nothing of the wire, and its only goroutine is
// the timer of the index, so that it runs under testing/synctest.
//
// What it does, and in which order, follows RocketMQ 5.4.0: DefaultMessageStore
// and CommitLog with the RocksDB consume queue, or with the file one where the
// two differ (Config.FileIndex).
package store

import (
	"net/netip"
	"sync"
	"time"
)

// Config of a Store. The zero value is a store on 127.0.0.1:0 without limits,
// whose index is up to date when Put returns.
type Config struct {
	// Host is the broker's address as it stands in messages and message ids.
	Host netip.AddrPort
	// IndexLag is how long a stored message stays out of the index; 0 indexes
	// within Put.
	IndexLag time.Duration
	// MaxBytes bounds the memory of messages; the oldest go first. 0: no bound.
	MaxBytes int64
	// MaxAge is how long messages are kept. 0: for ever.
	MaxAge time.Duration
	// MaxMessage bounds a message, in bytes; 0: 4 MiB as RocketMQ does.
	MaxMessage int
	// FileIndex makes the index behave as the file-based one instead of RocksDB's.
	FileIndex bool
	// Arrived is told of every new index entry, after it can be read, one call at
	// a time, without any lock held.
	Arrived func(Arrival)
	// Now is the clock; nil: time.Now. Timers are package time's.
	Now func() time.Time
}

// maxMessage is RocketMQ's maxMessageSize.
const maxMessage = 4 << 20

// wedgeRefuse is how long RocketMQ retries an index entry that it cannot write
// before it refuses writes (30 times 100 ms).
const wedgeRefuse = 3 * time.Second

// overhead is what a record costs besides its bytes, about.
const overhead = 320

// Arrival is one new entry of one queue.
type Arrival struct {
	Topic    string
	QueueID  int32
	Max      int64 // the queue's maximum offset with this entry
	TagsCode int64
	// Group is the consumer group a message of a POP retry topic came from.
	Group string
}

// Store keeps messages. All methods may be called concurrently.
type Store struct {
	cfg Config

	mu     sync.Mutex // protects all below
	closed bool
	log    []*record // the commit log, oldest first
	end    int64     // physical offset of the next message
	bytes  int64     // of all records, overhead included
	queues map[queueKey]*queue
	keys   map[string][]*record // topic#key -> oldest first

	pending    []*record // stored, not indexed yet
	timer      *time.Timer
	dispatched sync.WaitGroup // running dispatches
	arrivals   []Arrival      // indexed, not told yet
	telling    bool

	stalled  bool      // fault: the index stands still
	full     bool      // fault: the disk is full
	wedged   bool      // an index entry could not be written
	wedgedAt time.Time // when

	lastIndexed     int64 // physical offset of the last indexed message
	lastIndexedTime int64
}

type queueKey struct {
	topic string
	id    int32
}

// New returns an empty store.
func New(cfg Config) *Store {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.MaxMessage == 0 {
		cfg.MaxMessage = maxMessage
	}
	if cfg.Arrived == nil {
		cfg.Arrived = func(Arrival) {}
	}
	if !cfg.Host.IsValid() {
		cfg.Host = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	return &Store{cfg: cfg, queues: map[queueKey]*queue{}, keys: map[string][]*record{}}
}

// Close refuses writes from now on and waits until no Arrived call is running.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	if s.timer != nil && s.timer.Stop() {
		s.dispatched.Done()
	}
	s.mu.Unlock()
	s.dispatched.Wait()
}

// Reopen accepts writes again after Close, with everything still there, and
// resumes indexing: a broker that was restarted.
func (s *Store) Reopen() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = false
	s.timer = nil
	s.arm()
}

func (s *Store) nowMillis() int64 { return s.cfg.Now().UnixMilli() }

func (s *Store) queue(topic string, id int32) *queue {
	k := queueKey{topic, id}
	q := s.queues[k]
	if q == nil {
		q = &queue{}
		s.queues[k] = q
	}
	return q
}
