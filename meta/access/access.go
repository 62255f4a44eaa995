// Package access holds who a client is and how that is checked: logins, identities and the verifier interface that MQTT
// and HTTP share.
package access

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"time"
)

// Errors of verification.
var (
	// ErrDenied says that the credentials are wrong or the identity may not connect.
	ErrDenied = errors.New("credentials refused")
	// ErrUnavailable says that the check could not be made; the client may try again later.
	ErrUnavailable = errors.New("authentication is unavailable")
	// ErrLimited says that there were too many failures lately to look at another login; it is a refusal.
	ErrLimited = fmt.Errorf("too many failed logins, try again later: %w", ErrDenied)
	// ErrIgnore says that the verifier has no opinion about this kind of login; the next of the chain is asked.
	ErrIgnore = errors.New("not this verifier's kind of login")
)

// Login is what a client shows of itself.
type Login struct {
	ClientID    string
	HasUsername bool
	Username    string
	HasPassword bool
	Password    []byte
	Transport   string              // "ws", "tcp", "tls", "http"
	Address     netip.Addr          // the client's real address
	Header      http.Header         // of the upgrade or request; nil for TCP
	Certificate []*x509.Certificate // the verified chain, leaf first; nil without mutual TLS
}

// LogValue leaves out what is secret.
func (l *Login) LogValue() slog.Value {
	return slog.GroupValue(slog.String("client_id", l.ClientID), slog.String("username", l.Username),
		slog.String("transport", l.Transport), slog.String("address", l.Address.String()))
}

// Identity is a client as the verifier knows it.
type Identity struct {
	Username string
	Method   string    // which verifier accepted: MethodAnonymous, "hmac", "scram", "jwt", "http", "mtls"
	Operator bool      // an operator said what is read: any filter; never of a client
	Tenant   string    // whose topic space the client lives in; "" is the space of everybody without a tenant
	Expires  time.Time // when the credentials end and with them the connection; zero: never
	Rules    []Rule    // of this identity alone; they are asked before those of everybody; nil: none, empty: nothing allowed by them
}

// MethodAnonymous is the Method of an identity whose user name is what the client claims, and nothing more.
const MethodAnonymous = "anonymous"

// Verifier checks logins. Implementations are safe for concurrent use.
type Verifier interface {
	// Verify returns who the client is, or one of the package's errors (wrapped).
	Verify(ctx context.Context, l *Login) (Identity, error)
}

// Action is what a client wants to do with a topic.
type Action byte

// Actions.
const (
	Publish   Action = iota // to a topic name, wills included
	Subscribe               // to a topic filter; of a shared subscription the filter without $share and group
	Retain                  // to publish a message that is kept for the topic; asked in addition to Publish
)

// Authorizer says what an identity may do. Implementations are safe for concurrent use and do not block.
type Authorizer interface {
	Allowed(id Identity, clientID string, a Action, topic string) bool
}

// Enhanced offers enhanced authentication, MQTT 5.0 section 4.12. Implementations are safe for concurrent use.
type Enhanced interface {
	// Methods are the names of the authentication methods offered.
	Methods() []string
	// Begin begins an exchange of the method; ErrIgnore if it is not offered. l is that of the CONNECT; for
	// re-authentication too.
	Begin(l *Login, method string) (Exchange, error)
}

// Exchange is one authentication under way. For one caller at a time.
type Exchange interface {
	// Next takes what the client sent and returns what it is to be sent. id is not nil once the client is authenticated:
	// reply then goes with CONNACK, or with the last AUTH. Errors are those of the package; ErrDenied ends the exchange.
	Next(ctx context.Context, data []byte) (reply []byte, id *Identity, err error)
}
