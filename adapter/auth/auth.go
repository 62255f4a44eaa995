// Package auth holds the verifiers of logins and the chain that AUTH configures.
package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" // the scheme that clients of Apache RocketMQ MQTT use
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"

	"lmqgate/meta/access"
)

// Chain asks its verifiers in order. The first that does not answer ErrIgnore decides; nobody deciding is a refusal.
type Chain []access.Verifier

var _ access.Verifier = Chain(nil)

// Verify implements access.Verifier.
func (c Chain) Verify(ctx context.Context, l *access.Login) (access.Identity, error) {
	for _, v := range c {
		id, err := v.Verify(ctx, l)
		if !errors.Is(err, access.ErrIgnore) {
			return id, err
		}
	}
	return access.Identity{}, errNobody
}

// errNobody is a refusal without anything having been looked at.
var errNobody = fmt.Errorf("no authentication method applies: %w", access.ErrDenied)

// Anonymous accepts logins as they are. In a chain it comes last.
type Anonymous struct {
	// Bare has it refuse logins that show a password or a token: where there are other methods it was one for them, none
	// took it, and who shows a wrong one shall not go on as somebody else.
	Bare bool
}

var _ access.Verifier = Anonymous{}

// Verify implements access.Verifier.
func (a Anonymous) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	if a.Bare && shows(l) {
		return access.Identity{}, fmt.Errorf("no authentication method takes the credentials: %w", access.ErrDenied)
	}
	return access.Identity{Username: l.Username, Method: access.MethodAnonymous}, nil
}

// shows reports whether a login has a password, or in its header what stands for one.
func shows(l *access.Login) bool {
	if l.HasPassword || l.Header.Get("Authorization") != "" {
		return true
	}
	_, has := subprotocol(l)
	return has
}

// HMAC is the scheme of Apache RocketMQ MQTT: one configured user name, password = Base64(HMAC-SHA1(secret, client id)).
type HMAC struct {
	Username string
	Secret   []byte
}

var _ access.Verifier = HMAC{}

// Verify implements access.Verifier. A login without password is ignored, so that another verifier may follow.
func (h HMAC) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	if !l.HasPassword {
		return access.Identity{}, access.ErrIgnore
	}
	user := subtle.ConstantTimeCompare([]byte(l.Username), []byte(h.Username))
	pass := subtle.ConstantTimeCompare(l.Password, []byte(Password(h.Secret, l.ClientID)))
	if user&pass != 1 {
		return access.Identity{}, fmt.Errorf("user name or HMAC password is wrong: %w", access.ErrDenied)
	}
	return access.Identity{Username: l.Username, Method: "hmac"}, nil
}

// Password computes the password of a client id.
func Password(secret []byte, clientID string) string {
	m := hmac.New(sha1.New, secret)
	m.Write([]byte(clientID))
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
