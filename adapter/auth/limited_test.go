package auth

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/meta/access"
)

func guess(user, password string) *access.Login {
	return &access.Login{Username: user, HasPassword: true, Password: []byte(password), Address: netip.MustParseAddr("192.0.2.1")}
}

// together answers once all of a number of logins are there.
type together struct{ all *sync.WaitGroup }

func (v *together) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	v.all.Done()
	v.all.Wait()
	if string(l.Password) == "right" {
		return access.Identity{Username: l.Username}, nil
	}
	return access.Identity{}, access.ErrDenied
}

// TestLimitedAtOnce: who makes many guesses at once is told no more of them than who makes one after the other, and is not shut
// out for longer.
func TestLimitedAtOnce(t *testing.T) {
	now, all := jwtNow(), &sync.WaitGroup{}
	const guesses = 50
	all.Add(guesses)
	v := &Limited{Verifier: &together{all: all}, Failures: 3, Every: time.Second, Now: func() time.Time { return now }}
	told, done := make(chan error, guesses), sync.WaitGroup{}
	for range guesses {
		done.Go(func() {
			_, err := v.Verify(t.Context(), guess("ann", "wrong"))
			told <- err
		})
	}
	done.Wait()
	looked := 0
	for range guesses {
		if err := <-told; !errors.Is(err, access.ErrLimited) {
			looked++
		}
	}
	if looked != 3 {
		t.Errorf("%d of %d guesses were answered, want 3", looked, guesses)
	}
	all.Add(1)
	now = now.Add(time.Second)
	if _, err := v.Verify(t.Context(), guess("ann", "right")); err != nil {
		t.Errorf("a second later: %v", err)
	}
}

// overtaken fails others while a right password is looked at.
type overtaken struct{ others func() }

func (v overtaken) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	if string(l.Password) != "right" {
		return access.Identity{}, access.ErrDenied
	}
	v.others()
	return access.Identity{Username: l.Username}, nil
}

// TestLimitedOvertaken: a right guess is not told once there are too many failures.
func TestLimitedOvertaken(t *testing.T) {
	v := &Limited{Failures: 3, Every: time.Second, Now: jwtNow}
	v.Verifier = overtaken{func() {
		for range 3 {
			_, _ = v.Verify(t.Context(), guess("ann", "wrong"))
		}
	}}
	if id, err := v.Verify(t.Context(), guess("ann", "right")); !errors.Is(err, access.ErrLimited) || id.Username != "" {
		t.Errorf("%+v, %v", id, err)
	}
}

// TestLimitedNothingShown: who shows nothing that a method looks at guesses nothing. A page of another site can make a browser
// send such requests, which must not shut its user out.
func TestLimitedNothingShown(t *testing.T) {
	v := &Limited{Verifier: Chain{HMAC{Username: "mq", Secret: []byte("s")}}, Failures: 1, Every: time.Second, Now: jwtNow}
	nothing := guess("", "")
	nothing.HasPassword = false
	for range 30 {
		if _, err := v.Verify(t.Context(), nothing); !errors.Is(err, access.ErrDenied) || errors.Is(err, access.ErrLimited) {
			t.Fatalf("%v", err)
		}
	}
	if _, err := v.Verify(t.Context(), guess("mq", Password([]byte("s"), ""))); err != nil {
		t.Errorf("%v", err)
	}
}

// TestLimitedRemembersLittle: user names may have 64 KiB, what is kept of them not.
func TestLimitedRemembersLittle(t *testing.T) {
	v := &Limited{Verifier: &verdicts{}, Failures: 1, Every: time.Second, Now: jwtNow}
	long := strings.Repeat("x", 65000)
	for _, end := range []string{"1", "2"} {
		if _, err := v.Verify(t.Context(), guess(long+end, "wrong")); errors.Is(err, access.ErrLimited) {
			t.Errorf("%s: %v", end, err)
		}
		if _, err := v.Verify(t.Context(), guess(long+end, "right")); !errors.Is(err, access.ErrLimited) {
			t.Errorf("%s: %v", end, err)
		}
	}
	for k := range v.failed {
		if len(k) > 200 {
			t.Errorf("a key of %d bytes", len(k))
		}
	}
}

// TestLimitedEnhanced: failures in AUTH count as those by password do, and together with them.
func TestLimitedEnhanced(t *testing.T) {
	now := jwtNow()
	j := newJWT(t, JWTConfig{Secret: []byte(jwtSecret)})
	v := &Limited{Verifier: Chain{j}, Failures: 3, Every: time.Second, Now: func() time.Time { return now }}
	methods := v.Enhanced(j)
	try := func(data string) error {
		x, err := methods.Begin(guess("ann", ""), JWTMethod)
		if err != nil {
			return err
		}
		_, _, err = x.Next(t.Context(), []byte(data))
		return err
	}
	token := sign(t, "HS256", []byte(jwtSecret), with(nil))
	for range 3 {
		if err := try("ey.guess.x"); !errors.Is(err, access.ErrDenied) || errors.Is(err, access.ErrLimited) {
			t.Errorf("%v", err)
		}
	}
	if err := try(token); !errors.Is(err, access.ErrLimited) {
		t.Errorf("after three failures: %v", err)
	}
	if _, err := v.Verify(t.Context(), guess("ann", token)); !errors.Is(err, access.ErrLimited) {
		t.Errorf("by password: %v", err)
	}
	now = now.Add(time.Second)
	if err := try(token); err != nil {
		t.Errorf("a second later: %v", err)
	}
	if _, err := methods.Begin(guess("ann", ""), "OTHER"); !errors.Is(err, access.ErrIgnore) {
		t.Errorf("%v", err)
	}
	if names := methods.Methods(); len(names) != 1 || names[0] != JWTMethod {
		t.Errorf("%v", names)
	}
}
