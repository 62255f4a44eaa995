package history

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Limits of a history.
const (
	MaxEvents = 20_000_000 // a recorder drops what comes after that, and says so by Full
	maxLine   = 1 << 20
)

// Recorder collects events. It may be used by any number of goroutines.
type Recorder struct {
	start time.Time

	mu     sync.Mutex // protects what follows
	events []Event
	conns  int
	full   bool
}

// NewRecorder starts the clock.
func NewRecorder() *Recorder { return &Recorder{start: time.Now()} }

// Add puts an event behind all others and sets its time.
func (r *Recorder) Add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) >= MaxEvents {
		r.full = true
		return
	}
	e.At = time.Since(r.start)
	r.events = append(r.events, e)
}

// Conn returns the number of a new connection.
func (r *Recorder) Conn() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns++
	return r.conns
}

// Events is everything so far. The caller must not change it.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.events[:len(r.events):len(r.events)]
}

// Full reports whether events were dropped: the history cannot be judged.
func (r *Recorder) Full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.full
}

// Write writes one JSON object a line.
func Write(w io.Writer, events []Event) error {
	b := bufio.NewWriter(w)
	enc := json.NewEncoder(b)
	for i := range events {
		if err := enc.Encode(&events[i]); err != nil {
			return fmt.Errorf("write event %d: %w", i, err)
		}
	}
	return b.Flush()
}

// Read reads what Write wrote.
func Read(r io.Reader) ([]Event, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var events []Event
	for lines.Scan() {
		if len(events) == MaxEvents {
			return nil, errors.New("history has too many events")
		}
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(events)+1, err)
		}
		if n := len(events); n > 0 && e.At < events[n-1].At {
			return nil, fmt.Errorf("line %d: time goes back", n+1)
		}
		events = append(events, e)
	}
	return events, lines.Err()
}
