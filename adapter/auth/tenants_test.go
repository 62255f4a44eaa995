package auth

import (
	"context"
	"errors"
	"strings"
	"testing"

	"lmqgate/meta/access"
)

// says accepts a login as the identity that it is.
type says access.Identity

func (s says) Verify(context.Context, *access.Login) (access.Identity, error) {
	return access.Identity(s), nil
}

func (s says) Methods() []string { return []string{"X"} }

func (s says) Begin(*access.Login, string) (access.Exchange, error) { return s, nil }

func (s says) Next(_ context.Context, data []byte) ([]byte, *access.Identity, error) {
	if len(data) == 0 {
		return []byte("more"), nil, nil
	}
	id := access.Identity(s)
	return []byte("done"), &id, nil
}

func TestTenantOfTheUserName(t *testing.T) {
	for _, c := range []struct {
		said, method, tenant string
		user, want           string
		denied               bool
	}{
		{"acme/alice", "hmac", "", "alice", "acme", false},
		{"acme/a/b", "jwt", "", "a/b", "acme", false},
		{"alice", "jwt", "", "alice", "", false},
		{"acme/alice", "jwt", "beta", "acme/alice", "beta", false},
		{"acme/alice", access.MethodAnonymous, "", "acme/alice", "", false},
		{"/alice", "hmac", "", "", "", true},
		{"acme/", "hmac", "", "", "", true},
		{"ac.me/alice", "hmac", "", "", "", true},
		{"аcme/alice", "hmac", "", "", "", true}, // Cyrillic
		{strings.Repeat("a", 65) + "/alice", "hmac", "", "", "", true},
	} {
		v := Tenants{Verifier: says{Username: c.said, Method: c.method, Tenant: c.tenant}, Separator: "/"}
		id, err := v.Verify(t.Context(), &access.Login{})
		if c.denied {
			if !errors.Is(err, access.ErrDenied) || id.Username != "" {
				t.Errorf("%q: %v, %v", c.said, id, err)
			}
			continue
		}
		if err != nil || id.Username != c.user || id.Tenant != c.want || id.Method != c.method {
			t.Errorf("%q: %v, %v", c.said, id, err)
		}
	}
}

func TestTenantOfEnhancedAuthentication(t *testing.T) {
	for said, denied := range map[string]bool{"acme/alice": false, "a b/alice": true} {
		under := says{Username: said, Method: "scram"}
		x, err := Tenants{Verifier: under, Separator: "/"}.Enhanced(under).Begin(&access.Login{}, "X")
		if err != nil {
			t.Fatal(err)
		}
		if reply, id, err := x.Next(t.Context(), nil); string(reply) != "more" || id != nil || err != nil {
			t.Fatal(reply, id, err)
		}
		reply, id, err := x.Next(t.Context(), []byte("x"))
		switch {
		case denied && (!errors.Is(err, access.ErrDenied) || id != nil || reply != nil):
			t.Errorf("%q: %v, %v", said, id, err)
		case !denied && (err != nil || id.Tenant != "acme" || id.Username != "alice" || string(reply) != "done"):
			t.Errorf("%q: %v, %v", said, id, err)
		}
	}
}
