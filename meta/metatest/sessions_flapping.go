package metatest

import (
	"errors"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// flapping: takeovers in quick succession are granted up to a number, then only some time after the last one.
func flapping(t *testing.T, b *Backend) {
	const granted = 3
	s := b.Open(t)
	ask := func(instance string, clean bool, will *session.Will) (session.State, error) {
		return s.Attach(t.Context(), session.AttachRequest{
			ClientID: "c", Instance: instance, Address: "at " + instance, CleanStart: clean, Expiry: time.Hour, Takeovers: granted, Will: will,
		})
	}
	names := [2]string{"i1", "i2"}
	var last session.State
	var f *session.Flapping
	n := 0
	for ; f == nil; n++ { // in real time some may pass that come late
		st, err := ask(names[n%2], n == 2, nil)
		if err != nil && !errors.As(err, &f) || n > 100 {
			t.Fatalf("takeover %d: %v", n, err)
		}
		if f == nil {
			last = st
		}
	}
	granting, holder := granted+2, names[n%2] // the first one takes over from nobody, the last one is refused
	if b.Jumps && n != granting {
		t.Errorf("%d takeovers were granted", n-2)
	}
	if f.Wait <= 0 || f.Wait > session.TakeoverWaitMax {
		t.Errorf("is to wait for %v", f.Wait)
	}
	wait := f.Wait
	f.Wait = 0
	if b.Jumps {
		equal(t, "refusal", f, &session.Flapping{Takeovers: granted, Holder: session.Owner{Instance: holder, Epoch: last.Epoch}, Address: "at " + holder})
		if _, err := ask(holder, true, nil); err == nil {
			t.Error("its own instance is not refused")
		}
	}
	// The holder goes on, and its end is its own.
	write(t, s, session.Change{ClientID: "c", Epoch: last.Epoch, SetSubs: []session.Subscription{sub("a", 1), sub("b", 1)}})
	b.Pass(t, wait)
	next, err := ask(names[(n+1)%2], false, nil)
	if err != nil || len(next.Subscriptions) != 2 {
		t.Fatalf("after the wait: %v, %+v", err, next)
	}
	if b.Jumps {
		flappingGrows(t, b, ask)
	}
	st, err := s.Attach(t.Context(), session.AttachRequest{ClientID: "c", Instance: "i2", Expiry: time.Hour})
	if err != nil {
		t.Fatalf("without a limit: %v", err)
	}
	if _, err := s.Detach(t.Context(), "c", st.Epoch, session.PartingClean); err != nil {
		t.Fatal(err)
	}
	if _, err := ask("i1", false, nil); err != nil {
		t.Errorf("nobody is taken over: %v", err)
	}
}

// flappingGrows: the waits get longer up to a bound; quiet makes up for it.
func flappingGrows(t *testing.T, b *Backend, ask func(string, bool, *session.Will) (session.State, error)) {
	t.Helper()
	before := time.Duration(0)
	for n := range 10 {
		_, err := ask("i2", false, nil) // too soon behind the one before
		var f *session.Flapping
		if !errors.As(err, &f) {
			t.Fatalf("not refused: %v", err)
		}
		if f.Wait > session.TakeoverWaitMax || n < 4 && f.Wait <= before {
			t.Errorf("wait %v after %v", f.Wait, before)
		}
		before = f.Wait
		b.Pass(t, f.Wait)
		if _, err := ask("i2", false, nil); err != nil {
			t.Fatalf("after the wait: %v", err)
		}
	}
	b.Pass(t, 10*session.TakeoverCool)
	for n := range 3 {
		if _, err := ask("i1", false, nil); err != nil {
			t.Fatalf("takeover %d after some quiet: %v", n, err)
		}
	}
}
