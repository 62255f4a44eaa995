package auth_test

import (
	"errors"
	"net/http"
	"testing"

	"lmqgate/adapter/auth"
	"lmqgate/meta/access"
)

// TestWrongIsNotAnonymous: who shows a password or a token that no method takes does not get in as nobody.
func TestWrongIsNotAnonymous(t *testing.T) {
	j, err := auth.NewJWT(auth.JWTConfig{Secret: []byte("0123456789abcdef0123456789abcdef"), Cookie: "session"})
	if err != nil {
		t.Fatal(err)
	}
	chain := auth.Chain{j, auth.MTLS{From: "cn"}, auth.Anonymous{Bare: true}}
	header := func(name, value string) http.Header { return http.Header{name: {value}} }
	for name, l := range map[string]*access.Login{
		"password":          {HasPassword: true, Password: []byte("garbage"), Transport: "tcp"},
		"empty password":    {HasPassword: true, Transport: "tcp"},
		"bearer":            {HasPassword: true, Password: []byte("garbage"), Transport: "http", Header: header("Authorization", "Bearer garbage")},
		"basic":             {HasUsername: true, Username: "a", HasPassword: true, Password: []byte("b"), Transport: "http", Header: header("Authorization", "Basic YTpi")},
		"upgrade, bearer":   {Transport: "ws", Header: header("Authorization", "Bearer garbage")},
		"upgrade, basic":    {Transport: "ws", Header: header("Authorization", "Basic YTpi")},
		"subprotocol":       {Transport: "ws", Header: header("Sec-Websocket-Protocol", "mqtt, bearer.garbage")},
		"cookie":            {Transport: "ws", Header: header("Cookie", "session=garbage")},
		"password, cookie":  {HasPassword: true, Password: []byte("garbage"), Transport: "ws", Header: header("Cookie", "session=garbage")},
		"header and cookie": {Transport: "ws", Header: http.Header{"Authorization": {"Digest x"}, "Cookie": {"other=x"}}},
	} {
		if id, err := chain.Verify(t.Context(), l); !errors.Is(err, access.ErrDenied) {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	for name, l := range map[string]*access.Login{
		"nothing": {Transport: "tcp"}, "user name": {HasUsername: true, Username: "ann"}, "upgrade": {Transport: "ws", Header: header("Sec-Websocket-Protocol", "mqtt")},
		"another cookie": {Transport: "ws", Header: header("Cookie", "other=x")},
	} {
		if id, err := chain.Verify(t.Context(), l); err != nil || id.Method != access.MethodAnonymous {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	if _, err := (auth.Chain{auth.Anonymous{}}).Verify(t.Context(), &access.Login{HasPassword: true, Password: []byte("x")}); err != nil {
		t.Errorf("where nobody looks at passwords: %v", err)
	}
}
