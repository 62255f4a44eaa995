package auth_test

import (
	"errors"
	"testing"

	"lmqgate/adapter/auth"
	"lmqgate/meta/access"
)

// The vector of the contract with users of Apache RocketMQ MQTT.
func TestPasswordVector(t *testing.T) {
	if got, want := auth.Password([]byte("secret"), "abc"), "aUq9EIQtFh3bxU34oNV89k0NvMk="; got != want {
		t.Errorf("Password = %q, want %q", got, want)
	}
}

func TestHMAC(t *testing.T) {
	v := auth.HMAC{Username: "mq", Secret: []byte("secret")}
	good := access.Login{ClientID: "abc", HasUsername: true, Username: "mq", HasPassword: true, Password: []byte("aUq9EIQtFh3bxU34oNV89k0NvMk=")}
	for name, c := range map[string]struct {
		change func(*access.Login)
		want   error
	}{
		"right":           {func(*access.Login) {}, nil},
		"other client id": {func(l *access.Login) { l.ClientID = "abd" }, access.ErrDenied},
		"other user":      {func(l *access.Login) { l.Username = "mr" }, access.ErrDenied},
		"other password":  {func(l *access.Login) { l.Password = []byte("x") }, access.ErrDenied},
		"empty password":  {func(l *access.Login) { l.Password = nil }, access.ErrDenied},
		"no password":     {func(l *access.Login) { l.HasPassword = false }, access.ErrIgnore},
	} {
		t.Run(name, func(t *testing.T) {
			l := good
			c.change(&l)
			if _, err := v.Verify(t.Context(), &l); !errors.Is(err, c.want) {
				t.Errorf("Verify = %v, want %v", err, c.want)
			}
		})
	}
}

func TestChain(t *testing.T) {
	hmac := auth.HMAC{Username: "mq", Secret: []byte("secret")}
	bare := &access.Login{ClientID: "abc"}
	if _, err := (auth.Chain{hmac}).Verify(t.Context(), bare); !errors.Is(err, access.ErrDenied) {
		t.Errorf("nobody decides: %v, want ErrDenied", err)
	}
	id, err := (auth.Chain{hmac, auth.Anonymous{}}).Verify(t.Context(), bare)
	if err != nil || id.Method != "anonymous" {
		t.Errorf("anonymous last: %+v, %v", id, err)
	}
	wrong := &access.Login{ClientID: "abc", Username: "mq", HasPassword: true, Password: []byte("x")}
	if _, err := (auth.Chain{hmac, auth.Anonymous{}}).Verify(t.Context(), wrong); !errors.Is(err, access.ErrDenied) {
		t.Errorf("a wrong password must not fall through to anonymous: %v", err)
	}
}
