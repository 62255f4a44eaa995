package metatest

import (
	"errors"
	"testing"
	"time"

	"lmqgate/meta/idem"
	"lmqgate/meta/message"
)

// IdemBackend is one store of requests under test.
type IdemBackend struct {
	// Open opens a further store on the same data, as another instance would.
	Open func(t *testing.T) idem.Store
	// Pass returns when the store's clock has advanced by d; see Backend.
	Pass func(t *testing.T, d time.Duration)
}

// Idem is the contract of idem.Store.
func Idem(t *testing.T, open func(t *testing.T) *IdemBackend) {
	for name, test := range map[string]func(*testing.T, *IdemBackend){
		"Finish": idemFinish, "Leave": idemLeave, "Lapse": idemLapse, "Forget": idemForget,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// idemBegin begins a request of content "h" and expects a state.
func idemBegin(t *testing.T, s idem.Store, name string, want idem.State) idem.Answer {
	t.Helper()
	a, err := s.Begin(t.Context(), name, "h", time.Second, 1500*time.Millisecond)
	if err != nil || a.State != want {
		t.Fatalf("begin: %+v, %v, want state %d", a, err, want)
	}
	return a
}

func someAttempt() idem.Attempt {
	return idem.Attempt{Key: "K", Place: message.Place{Topic: "t", Broker: "b", Queue: 3}, At: time.UnixMilli(1795405340858)}
}

func idemFinish(t *testing.T, b *IdemBackend) {
	one, two := b.Open(t), b.Open(t)
	a := idemBegin(t, one, "n", idem.Begun)
	if a.Attempt != nil {
		t.Errorf("%+v", a)
	}
	idemBegin(t, two, "n", idem.UnderWay)
	idemBegin(t, two, "m", idem.Begun) // another name
	if other, err := two.Begin(t.Context(), "n", "other", time.Second, time.Hour); err != nil || other.State != idem.Another {
		t.Errorf("other content: %+v, %v", other, err)
	}
	if err := one.Sending(t.Context(), "n", a.Token, someAttempt()); err != nil {
		t.Fatal(err)
	}
	if err := one.Finish(t.Context(), "n", a.Token, []byte("result \x00\xff")); err != nil {
		t.Fatal(err)
	}
	if done := idemBegin(t, two, "n", idem.Finished); string(done.Result) != "result \x00\xff" {
		t.Errorf("%q", done.Result)
	}
	if other, err := two.Begin(t.Context(), "n", "other", time.Second, time.Hour); err != nil || other.State != idem.Another {
		t.Errorf("other content: %+v, %v", other, err)
	}
}

func idemLeave(t *testing.T, b *IdemBackend) {
	s := b.Open(t)
	a := idemBegin(t, s, "n", idem.Begun)
	if err := s.Leave(t.Context(), "n", a.Token, true); err != nil {
		t.Fatal(err)
	}
	a = idemBegin(t, s, "n", idem.Begun)
	if err := s.Sending(t.Context(), "n", a.Token, someAttempt()); err != nil {
		t.Fatal(err)
	}
	if err := s.Leave(t.Context(), "n", a.Token, true); err != nil { // something was: the attempt is kept whatever is said
		t.Fatal(err)
	}
	again := idemBegin(t, s, "n", idem.Begun)
	if again.Attempt == nil || again.Attempt.Key != "K" || again.Attempt.Place != someAttempt().Place || !again.Attempt.At.Equal(someAttempt().At) {
		t.Errorf("%+v", again.Attempt)
	}
	if err := s.Finish(t.Context(), "n", a.Token, nil); !errors.Is(err, idem.ErrLost) {
		t.Errorf("an old token: %v", err)
	}
}

func idemLapse(t *testing.T, b *IdemBackend) {
	one, two := b.Open(t), b.Open(t)
	a := idemBegin(t, one, "n", idem.Begun)
	b.Pass(t, 1100*time.Millisecond)
	second := idemBegin(t, two, "n", idem.Begun)
	for what, err := range map[string]error{
		"sending": one.Sending(t.Context(), "n", a.Token, someAttempt()), "finish": one.Finish(t.Context(), "n", a.Token, nil),
		"leave": one.Leave(t.Context(), "n", a.Token, false),
	} {
		if !errors.Is(err, idem.ErrLost) {
			t.Errorf("%s after the lease: %v", what, err)
		}
	}
	if err := two.Finish(t.Context(), "n", second.Token, []byte("r")); err != nil {
		t.Error(err)
	}
}

func idemForget(t *testing.T, b *IdemBackend) {
	s := b.Open(t)
	a := idemBegin(t, s, "n", idem.Begun)
	if err := s.Finish(t.Context(), "n", a.Token, []byte("r")); err != nil {
		t.Fatal(err)
	}
	b.Pass(t, 1600*time.Millisecond)
	idemBegin(t, s, "n", idem.Begun)
}
