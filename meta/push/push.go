// Package push holds push subscriptions: topic filters whose messages are delivered by HTTP requests to a URL. All instances
// see the same targets; one at a time works each.
package push

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Formats of the requests.
const (
	CloudEventsBinary     = "cloudevents-binary"     // the payload as body, what is known of it as ce-* headers
	CloudEventsStructured = "cloudevents-structured" // everything in one JSON object
	PubSub                = "pubsub"                 // the JSON that Google Cloud Pub/Sub pushes
	Raw                   = "raw"                    // the payload as body, the topic in a header
)

// Errors that callers branch on.
var (
	ErrNotFound = errors.New("no such push target")
	// ErrChanged says that the target is not at the revision that was expected.
	ErrChanged = errors.New("the push target was changed by somebody else")
	// ErrTooMany says that no more targets can be kept.
	ErrTooMany = errors.New("too many push targets")
)

// Target is a push subscription as it is kept. Durations are in milliseconds.
type Target struct {
	Name    string            `json:"name"`
	Filters []string          `json:"filters"`
	URL     string            `json:"url"`
	Format  string            `json:"format"`
	Secrets []string          `json:"secrets,omitempty"` // Standard Webhooks: whsec_ and base64; the first two sign
	Headers map[string]string `json:"headers,omitempty"` // sent with every request
	// Username and Tenant say whose rules decide what is read; without a user name the operator's, who may read everything.
	Username string `json:"username,omitempty"`
	Tenant   string `json:"tenant,omitempty"`
	// Concurrency is the most requests at once. Messages of one topic are delivered one after the other.
	Concurrency int    `json:"concurrency"`
	Timeout     int64  `json:"timeout_ms"`             // of one request
	MinBackoff  int64  `json:"min_backoff_ms"`         // after the first failure
	MaxBackoff  int64  `json:"max_backoff_ms"`         // at most
	MaxAge      int64  `json:"max_age_ms,omitempty"`   // after which a message is given up; 0 never
	MaxAttempts int    `json:"max_attempts,omitempty"` // after which a message is given up; 0 any number
	DeadLetter  string `json:"dead_letter,omitempty"`  // topic to which what is given up is published; "": it is dropped
	Handshake   bool   `json:"handshake,omitempty"`    // CloudEvents abuse protection was asked for and passed

	Created int64 `json:"created_ms"`        // Unix ms
	Deleted bool  `json:"deleted,omitempty"` // its session is still to be ended
	Rev     int64 `json:"-"`                 // of this version, given by the store; higher than any before
}

// State is what has become of a target so far. Counts are of all instances since it was made, and may miss the last
// moments of one that was killed.
type State struct {
	Rev         int64  `json:"rev"`                   // of the target that Stopped is about
	Stopped     string `json:"stopped,omitempty"`     // why nothing is delivered until the target is written anew
	Instance    string `json:"instance,omitempty"`    // that works on it, or did last
	Delivered   int64  `json:"delivered"`             // messages
	Failed      int64  `json:"failed"`                // attempts
	Dead        int64  `json:"dead"`                  // messages given up
	LastStatus  int    `json:"last_status,omitempty"` // HTTP status of the last answer
	LastError   string `json:"last_error,omitempty"`  // of the last attempt that failed
	LastFailure int64  `json:"last_failure_ms,omitempty"`
	LastSuccess int64  `json:"last_success_ms,omitempty"`
}

// Expect says which version a write replaces.
type Expect struct {
	Any    bool  // whatever there is
	Exists bool  // any version, but not none
	Rev    int64 // this version; 0 with neither of the above: none
}

// Store keeps targets. Implementations are safe for concurrent use. Every call is one round trip.
type Store interface {
	// Put writes a target and returns its revision. Errors are ErrChanged, ErrNotFound (Exists or Rev asked for one) and ErrTooMany.
	// One that is marked as deleted counts as none, except for Rev.
	Put(ctx context.Context, t Target, expect Expect, most int) (rev int64, err error)
	// Remove takes a target away, with its state, if it is at that revision; ErrChanged otherwise.
	Remove(ctx context.Context, name string, rev int64) error
	// Get returns one; ErrNotFound.
	Get(ctx context.Context, name string) (Target, State, error)
	// List returns all targets sorted by name, if anything was written since revision seen, and the present revision; else nil
	// and seen.
	List(ctx context.Context, seen int64) (targets []Target, rev int64, err error)
	// States returns what has become of all targets, by name.
	States(ctx context.Context) (map[string]State, error)
	// Report adds the counts of a state to what is kept, and puts the other fields in the place of what is there; an empty
	// Stopped of an older revision never replaces a newer one's.
	Report(ctx context.Context, name string, s State) error
	// Lease takes or prolongs leases, each of which has one owner at a time, and tells which it has; with ttl 0 it gives them up.
	Lease(ctx context.Context, names []string, owner string, ttl time.Duration) ([]bool, error)
}

// format is the version of the JSON that Encode writes.
const format = 1

// Encode makes the text that is kept.
func (t Target) Encode() ([]byte, error) {
	return json.Marshal(struct {
		Format int `json:"v"`
		Target
	}{format, t})
}

// Decode reads what Encode wrote; an error for what another version of the gateway wrote.
func Decode(text []byte) (Target, error) {
	var kept struct {
		Format int `json:"v"`
		Target
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		return Target{}, err
	}
	if kept.Format != format {
		return Target{}, errors.New("stored by another version of the gateway")
	}
	return kept.Target, nil
}
