package auth

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/scram"

	"lmqgate/meta/access"
)

// maxScramMessage bounds what a client sends in one step, in bytes.
const maxScramMessage = 4096

// errScramProof is the answer to a wrong proof and to an unknown user alike.
var errScramProof = fmt.Errorf("user name or password is wrong: %w", access.ErrDenied)

// scramExchange is one authentication: client-first, server-first, client-final, server-final (RFC 5802 section 5).
type scramExchange struct {
	scram *SCRAM
	login *access.Login

	invited bool                      // the client came without data and was asked for some
	conv    *scram.ServerConversation // nil before client-first
	name    string                    // prepared
	known   bool
	over    bool
}

var _ access.Exchange = (*scramExchange)(nil)

// Next implements access.Exchange.
func (x *scramExchange) Next(ctx context.Context, data []byte) (reply []byte, id *access.Identity, err error) {
	switch {
	case x.over:
		return nil, nil, fmt.Errorf("the exchange is over: %w", access.ErrDenied)
	case x.conv != nil:
		x.over = true
		return x.final(data)
	case len(data) == 0 && !x.invited: // the mechanism is the client's to begin (RFC 4422 section 5)
		x.invited = true
		return []byte{}, nil, nil
	}
	reply, err = x.first(ctx, data)
	x.over = err != nil
	return reply, nil, err
}

// first answers client-first.
func (x *scramExchange) first(ctx context.Context, data []byte) ([]byte, error) {
	if err := checkScramText(data); err != nil {
		return nil, err
	}
	fields := strings.SplitN(string(data), ",", 5) // gs2 flag, authzid, n=, r=, extensions
	if len(fields) < 4 || (fields[0] != "n" && fields[0] != "y") {
		return nil, denied("channel binding is not supported, or the first message is malformed")
	}
	name, ok := scramName(fields[2], "n=")
	if !ok {
		return nil, denied("the user name is malformed")
	}
	if fields[1] != "" {
		if as, ok := scramName(fields[1], "a="); !ok || as != name {
			return nil, denied("acting as somebody else is not supported")
		}
	}
	if l := x.login; l != nil && l.HasUsername && l.Username != "" && l.Username != name {
		if said, err := access.PrepareScramName(l.Username); err != nil || said != name {
			return nil, denied("the user name of CONNECT is another one")
		}
	}
	if nonce, ok := strings.CutPrefix(fields[3], "r="); !ok || nonce == "" {
		return nil, denied("the nonce is malformed")
	}
	users, err := x.scram.ready(ctx)
	if err != nil {
		return nil, err
	}
	server, err := scram.SHA256.NewServer(func(string) (c scram.StoredCredentials, err error) {
		c, x.known = users.find(name)
		return c, nil
	})
	if err != nil {
		return nil, fmt.Errorf("begin scram: %w: %w", access.ErrUnavailable, err)
	}
	if x.scram.nonce != nil {
		server.WithNonceGenerator(x.scram.nonce)
	}
	conv := server.NewConversation()
	reply, err := conv.Step(string(data))
	if err != nil {
		return nil, denied("the first message is malformed")
	}
	x.conv, x.name = conv, name
	return []byte(reply), nil
}

// final checks client-final.
func (x *scramExchange) final(data []byte) ([]byte, *access.Identity, error) {
	if err := checkScramText(data); err != nil {
		return nil, nil, err
	}
	reply, err := x.conv.Step(string(data))
	if err != nil || !x.conv.Valid() || !x.known {
		return nil, nil, errScramProof
	}
	return []byte(reply), &access.Identity{Username: x.name, Method: "scram"}, nil
}

// checkScramText refuses what no message of SCRAM is: control characters, bytes that are no UTF-8, great lengths.
func checkScramText(data []byte) error {
	if len(data) == 0 || len(data) > maxScramMessage || !utf8.Valid(data) {
		return denied("the message is empty, too long or no text")
	}
	for _, b := range data {
		if b < 0x20 || b == 0x7F {
			return denied("the message has control characters")
		}
	}
	return nil
}

// scramName reads a saslname behind its attribute and prepares it. "=2C" is a comma and "=3D" an equals sign.
func scramName(field, attribute string) (string, bool) {
	raw, ok := strings.CutPrefix(field, attribute)
	if !ok {
		return "", false
	}
	plain := strings.NewReplacer("=2C", "", "=3D", "").Replace(raw)
	if strings.Contains(plain, "=") {
		return "", false
	}
	name, err := access.PrepareScramName(strings.NewReplacer("=2C", ",", "=3D", "=").Replace(raw))
	return name, err == nil
}

func denied(why string) error { return fmt.Errorf("%s: %w", why, access.ErrDenied) }
