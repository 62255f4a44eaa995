package session

import (
	"context"
	"errors"
	"time"

	"lmqgate/meta/message"
)

// ErrNotFound says that the store has no such session.
var ErrNotFound = errors.New("no such session")

// Info is what a store knows of a session beside its content.
type Info struct {
	ClientID  string
	Epoch     Epoch
	Connected bool          // an instance owns it
	Instance  string        // the instance that owns or last owned it
	Since     time.Time     // when the current or last connection attached, by the store's clock
	Expiry    time.Duration // session expiry interval
	Expires   time.Time     // when a detached session ends; zero while connected and for Never
	Ended     bool          // deleted, its holdings not yet settled
	Protocol  byte
	Username  string
	Address   string
}

// Viewer reads sessions without touching them.
type Viewer interface {
	// Peek returns one session, or ErrNotFound.
	Peek(ctx context.Context, clientID string) (Info, State, error)
	// List returns sessions page by page (cursor "" starts, "" ends). A page may be empty or a little longer than
	// limit, and a session may come twice. What exists during the whole listing is not left out.
	List(ctx context.Context, cursor string, limit int) ([]Info, string, error)
}

// Lease is an instance as the others see it.
type Lease struct {
	Instance string
	Ends     time.Time // of its last heartbeat, by the store's clock
	Live     bool      // it has not ended
	Sessions int64     // that the instance is recorded with: its connected clients, of a dead one those not swept yet
}

// WillStage says what a will waits for.
type WillStage string

// Stages of a will.
const (
	WillConnected WillStage = "connection" // for the end of its connection
	WillDelayed   WillStage = "delay"      // for the end of its delay
	WillMoved     WillStage = "return"     // for a client that was asked to connect elsewhere
	WillClaimed   WillStage = "publishing" // an instance is to publish it
)

// WaitingWill is a will that is not published yet.
type WaitingWill struct {
	Message *message.Message
	Delay   time.Duration // Will Delay Interval, of one in WillConnected
	Stage   WillStage
	At      time.Time // when the stage ends; zero in WillConnected
}

// Overview is for who looks at the store as a whole.
type Overview interface {
	// Leases lists all registered instances, the longest dead first.
	Leases(ctx context.Context) ([]Lease, error)
	// WaitingWills lists a client's wills that are not published yet, that of its connection first, others as they come
	// due. One that this build cannot read is ErrFormat.
	WaitingWills(ctx context.Context, clientID string) ([]WaitingWill, error)
}
