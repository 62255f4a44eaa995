package session

import (
	"context"
	"errors"
	"time"
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
