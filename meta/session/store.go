package session

import (
	"context"
	"time"
)

// Store keeps sessions. Implementations are safe for concurrent use.
type Store interface {
	// Attach makes the caller the owner of the client id in one round trip: new epoch, previous state returned. With a will
	// it may be refused with ErrWills; nothing was changed then.
	//
	// A session that was attached with a Holder is refused with ErrForeign to everybody else, connected or not, until it has ended
	// or its expiry has passed. One without belongs to the first who attaches with one.
	//
	// It is refused with *Flapping where it would be one takeover too many in quick succession.
	//
	// Of earlier connections' wills, State.Wills are those whose time comes with this one: that of the connection that is
	// taken over, unless it has a delay and the session is resumed, and one that is delayed, unless the session is resumed;
	// these are deleted [MQTT-3.1.3-9], as is one that is kept back (PartingMoved).
	Attach(ctx context.Context, r AttachRequest) (State, error)
	// Write applies the changes in one pipeline, each atomic for its session; the result has one error (or nil) per
	// change: ErrFenced when the epoch is stale. A transport error leaves the outcome unknown; repeating is harmless.
	Write(ctx context.Context, changes []Change) []error
	// Detach ends the ownership. With a session expiry of 0 the session is deleted and its subscriptions returned,
	// otherwise it is kept until its expiry. p says what becomes of the will: one that is due at once is in Ended.Wills. A
	// stale epoch is ErrFenced and changes nothing. A repeat with the same epoch, whatever its p, gets the same answer as
	// long as the session was not settled, expired or attached again, and its wills not placed.
	Detach(ctx context.Context, clientID string, e Epoch, p Parting) (Ended, error)
}

// Instances keeps track of which instances live and what they own.
type Instances interface {
	// Beat says that the instance is alive for ttl from now.
	Beat(ctx context.Context, instance string, ttl time.Duration) error
	// Leave removes the instance and its heartbeat after a clean stop; sessions it still owns are swept like a dead one's.
	Leave(ctx context.Context, instance string) error
	// Dead lists instances that are registered but whose heartbeat is gone.
	Dead(ctx context.Context) ([]string, error)
	// Live lists the instances with a heartbeat.
	Live(ctx context.Context) ([]string, error)
}

// Sweeper ends what nobody owns any more. Every call handles at most limit sessions and may be run by any number of
// instances at once: each session is ended by exactly one of them.
type Sweeper interface {
	// Orphans detaches sessions owned by a dead instance, as if their connections had ended, without a DISCONNECT, when
	// its heartbeat did. Every session that this call detached is returned, those that go on existing too, with the wills
	// that are due by then.
	Orphans(ctx context.Context, instance string, limit int) (ended []Ended, more bool, err error)
	// Expired deletes detached sessions whose expiry has passed at now, and hands out wills whose time has come and those
	// whose claim has lapsed. An entry with wills alone is not Over: its session goes on, or was settled long ago.
	Expired(ctx context.Context, now time.Time, limit int) (ended []Ended, more bool, err error)
	// Settled says that the holdings of an ended session were released; until then it is handed out again.
	Settled(ctx context.Context, clientIDs []string) error
}

// Words is the channel between instances. Losing a word is harmless: writes are fenced.
type Words interface {
	// Tell sends a word to another instance.
	Tell(ctx context.Context, instance string, w Word) error
	// Listen calls fn for each word to this instance until ctx ends, reconnecting by itself.
	Listen(ctx context.Context, instance string, fn func(Word)) error
}

// Kinds of words.
const (
	WordLost        = "lost"        // the client id was taken over
	WordKick        = "kick"        // close it
	WordSubscribe   = "subscribe"   // subscribe it on behalf of an operator; is answered
	WordUnsubscribe = "unsubscribe" // the contrary; is answered
	WordAnswer      = "answer"      // to Reply
)

// Word is one message between instances. Words are comparable.
type Word struct {
	Kind     string `json:"k"`
	ClientID string `json:"c"`
	Epoch    Epoch  `json:"e"` // epoch that lost
	// Subscription of WordSubscribe, and the filter of WordUnsubscribe.
	Subscription Subscription `json:"s,omitzero"`
	Reply        string       `json:"r,omitempty"` // names where the answer goes; the same in each repeat of a question
	Code         byte         `json:"a,omitempty"` // of an answer: the MQTT reason code
	Absent       bool         `json:"n,omitempty"` // of an answer: the instance does not have the client
}

// Asker asks other instances.
type Asker interface {
	// Ask tells an instance a word, again if need be, and returns its answer. Nobody may be there to answer: bound ctx.
	Ask(ctx context.Context, instance string, w Word) (Word, error)
}

// Amender writes to sessions that nobody owns.
type Amender interface {
	// Amend applies the changes of subscriptions and cursors, and no others, to a session that is away, atomically. It is
	// ErrFenced, and nothing was changed, if an instance owns the session, if it was attached after the change's epoch, or if it
	// has ended. Repeating it is harmless.
	Amend(ctx context.Context, c Change) error
}
