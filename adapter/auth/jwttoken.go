package auth

import (
	"context"
	"net/http"
	"strings"

	"lmqgate/meta/access"
)

// JWTMethod is the authentication method by which a token comes in CONNECT and AUTH (MQTT 5.0 section 4.12): its data is the
// token. A client that authenticated so renews a token that is about to expire by AUTH.
const JWTMethod = "JWT"

// subprotocolToken begins a subprotocol that carries a token: browsers can set no header.
const subprotocolToken = "bearer."

// token finds the token that a login shows: as password, in the Authorization header, as a subprotocol beside mqtt, or in the
// cookie. The first that there is counts; the cookie, which browsers send whatever else is shown, only without a password.
func (j *JWT) token(l *access.Login) (string, bool) {
	if l.HasPassword && looksSigned(string(l.Password)) {
		return string(l.Password), true
	}
	if l.Header == nil || l.Transport == "http" { // where the header has become the password
		return j.cookie(l)
	}
	if scheme, said, ok := strings.Cut(l.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(said), true
	}
	if token, ok := subprotocol(l); ok {
		return token, true
	}
	return j.cookie(l)
}

// subprotocol finds the token among the subprotocols that a browser offers.
func subprotocol(l *access.Login) (string, bool) {
	for _, list := range l.Header.Values("Sec-WebSocket-Protocol") {
		for one := range strings.SplitSeq(list, ",") {
			if token, ok := strings.CutPrefix(strings.TrimSpace(one), subprotocolToken); ok {
				return token, true
			}
		}
	}
	return "", false
}

func (j *JWT) cookie(l *access.Login) (string, bool) {
	if j.cfg.Cookie == "" || l.Header == nil || l.HasPassword {
		return "", false
	}
	c, err := (&http.Request{Header: l.Header}).Cookie(j.cfg.Cookie)
	if err != nil || c.Value == "" {
		return "", false
	}
	return c.Value, true
}

// looksSigned tells a token from a password of another kind: three parts, of which the first is a JSON object.
func looksSigned(s string) bool {
	return strings.HasPrefix(s, "ey") && strings.Count(s, ".") == 2
}

// Methods implements access.Enhanced.
func (j *JWT) Methods() []string { return []string{JWTMethod} }

// Begin implements access.Enhanced.
func (j *JWT) Begin(l *access.Login, method string) (access.Exchange, error) {
	if method != JWTMethod {
		return nil, access.ErrIgnore
	}
	own := *l
	own.Header = nil
	return &jwtExchange{j, &own}, nil
}

// jwtExchange has one round: the token.
type jwtExchange struct {
	j *JWT
	l *access.Login
}

// Next implements access.Exchange.
func (x *jwtExchange) Next(ctx context.Context, data []byte) ([]byte, *access.Identity, error) {
	id, err := x.j.identify(ctx, x.l, string(data))
	if err != nil {
		return nil, nil, err
	}
	return nil, &id, nil
}
