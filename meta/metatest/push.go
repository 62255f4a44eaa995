package metatest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/meta/push"
)

// PushBackend is one store of push targets under test.
type PushBackend struct {
	// Open opens a further store on the same data, as another instance would.
	Open func(t *testing.T) push.Store
	// Pass returns when the store's clock has advanced by d; see Backend.
	Pass func(t *testing.T, d time.Duration)
}

// Push is the contract of push.Store.
func Push(t *testing.T, open func(t *testing.T) *PushBackend) {
	for name, test := range map[string]func(*testing.T, *PushBackend){
		"Versions": pushVersions, "List": pushList, "Deleted": pushDeleted, "Most": pushMost, "Report": pushReport, "Lease": pushLease,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func someTarget(name string) push.Target {
	return push.Target{
		Name: name, Filters: []string{"a/+", "b/ü/#"}, URL: "https://example.com/hook?x=1", Format: push.PubSub, Secrets: []string{"whsec_a", "whsec_b"},
		Headers: map[string]string{"Authorization": "Bearer x"}, Username: "u", Tenant: "acme", Concurrency: 3, Timeout: 4, MinBackoff: 5, MaxBackoff: 6,
		MaxAge: 7, MaxAttempts: 8, DeadLetter: "dead/x", Handshake: true, Created: 9,
	}
}

func pushPut(t *testing.T, s push.Store, p push.Target, e push.Expect, want error) int64 {
	t.Helper()
	rev, err := s.Put(t.Context(), p, e, 10)
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		t.Fatalf("put %s, expecting %+v: %d, %v, want %v", p.Name, e, rev, err, want)
	}
	return rev
}

func pushVersions(t *testing.T, b *PushBackend) {
	one, two := b.Open(t), b.Open(t)
	if _, _, err := one.Get(t.Context(), "x"); !errors.Is(err, push.ErrNotFound) {
		t.Fatal(err)
	}
	pushPut(t, one, someTarget("x"), push.Expect{Exists: true}, push.ErrNotFound)
	pushPut(t, one, someTarget("x"), push.Expect{Rev: 5}, push.ErrNotFound)
	first := pushPut(t, one, someTarget("x"), push.Expect{}, nil)
	pushPut(t, two, someTarget("x"), push.Expect{}, push.ErrChanged)
	second := pushPut(t, two, someTarget("x"), push.Expect{Rev: first}, nil)
	if second <= first {
		t.Fatalf("%d after %d", second, first)
	}
	pushPut(t, one, someTarget("x"), push.Expect{Rev: first}, push.ErrChanged)
	pushPut(t, one, someTarget("x"), push.Expect{Exists: true}, nil)
	last := pushPut(t, one, someTarget("x"), push.Expect{Any: true}, nil)
	got, state, err := two.Get(t.Context(), "x")
	want := someTarget("x")
	want.Rev = last
	if diff := cmp.Diff(want, got); diff != "" || err != nil || state != (push.State{}) {
		t.Errorf("%v, %+v (-want +got)\n%s", err, state, diff)
	}
	if err := two.Remove(t.Context(), "x", first); !errors.Is(err, push.ErrChanged) {
		t.Errorf("remove an old version: %v", err)
	}
	if err := two.Remove(t.Context(), "x", last); err != nil {
		t.Error(err)
	}
	if err := two.Remove(t.Context(), "x", last); err != nil { // once more is no harm
		t.Error(err)
	}
	if again := pushPut(t, two, someTarget("x"), push.Expect{}, nil); again <= last {
		t.Errorf("revision %d after %d, although removed meanwhile", again, last)
	}
}

func pushList(t *testing.T, b *PushBackend) {
	one, two := b.Open(t), b.Open(t)
	list, rev, err := two.List(t.Context(), -1)
	if len(list) != 0 || err != nil {
		t.Fatalf("%v, %v", list, err)
	}
	r2 := pushPut(t, one, someTarget("b"), push.Expect{}, nil)
	r1 := pushPut(t, one, someTarget("a"), push.Expect{}, nil)
	list, now, err := two.List(t.Context(), rev)
	wantA, wantB := someTarget("a"), someTarget("b")
	wantA.Rev, wantB.Rev = r1, r2
	if diff := cmp.Diff([]push.Target{wantA, wantB}, list); diff != "" || err != nil || now != r1 {
		t.Fatalf("%v, revision %d (-want +got)\n%s", err, now, diff)
	}
	if list, same, err := two.List(t.Context(), now); list != nil || same != now || err != nil {
		t.Errorf("nothing new: %v, %d, %v", list, same, err)
	}
	if err := one.Remove(t.Context(), "a", r1); err != nil {
		t.Fatal(err)
	}
	if list, later, err := two.List(t.Context(), now); len(list) != 1 || later == now || err != nil {
		t.Errorf("after a removal: %v, %d, %v", list, later, err)
	}
}

func pushDeleted(t *testing.T, b *PushBackend) {
	s := b.Open(t)
	rev := pushPut(t, s, someTarget("x"), push.Expect{}, nil)
	gone := someTarget("x")
	gone.Deleted = true
	rev = pushPut(t, s, gone, push.Expect{Rev: rev}, nil)
	if got, _, err := s.Get(t.Context(), "x"); err != nil || !got.Deleted || got.Rev != rev {
		t.Errorf("%+v, %v", got, err)
	}
	pushPut(t, s, someTarget("x"), push.Expect{Exists: true}, push.ErrNotFound)
	pushPut(t, s, someTarget("x"), push.Expect{}, nil)
	if got, _, err := s.Get(t.Context(), "x"); err != nil || got.Deleted {
		t.Errorf("%+v, %v", got, err)
	}
}

func pushMost(t *testing.T, b *PushBackend) {
	s := b.Open(t)
	for _, name := range []string{"a", "b"} {
		if _, err := s.Put(t.Context(), someTarget(name), push.Expect{}, 2); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Put(t.Context(), someTarget("c"), push.Expect{Any: true}, 2); !errors.Is(err, push.ErrTooMany) {
		t.Error(err)
	}
	if _, err := s.Put(t.Context(), someTarget("a"), push.Expect{Any: true}, 2); err != nil {
		t.Error(err)
	}
}

func pushReport(t *testing.T, b *PushBackend) {
	one, two := b.Open(t), b.Open(t)
	rev := pushPut(t, one, someTarget("x"), push.Expect{}, nil)
	report := func(s push.Store, st push.State) {
		t.Helper()
		if err := s.Report(t.Context(), "x", st); err != nil {
			t.Fatal(err)
		}
	}
	want := func(w push.State) {
		t.Helper()
		_, got, err := two.Get(t.Context(), "x")
		if diff := cmp.Diff(w, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
		if all, err := one.States(t.Context()); err != nil || all["x"] != w || len(all) != 1 {
			t.Errorf("%+v, %v", all, err)
		}
	}
	report(one, push.State{Rev: rev, Instance: "i", Delivered: 3, LastStatus: 200, LastSuccess: 5})
	report(two, push.State{Rev: rev, Instance: "j", Failed: 2, Dead: 1, LastStatus: 410, LastError: "gone", LastFailure: 7, Stopped: "gone"})
	stopped := push.State{Rev: rev, Instance: "j", Delivered: 3, Failed: 2, Dead: 1, LastStatus: 410, LastError: "gone", LastFailure: 7, Stopped: "gone"}
	want(stopped)
	report(one, push.State{Rev: rev, Instance: "i", Delivered: 4, LastStatus: 200}) // somebody late does not start it again
	stopped.Delivered = 7
	want(stopped)
	rev2 := pushPut(t, one, someTarget("x"), push.Expect{Any: true}, nil)
	report(one, push.State{Rev: rev2, Instance: "i", Delivered: 1})
	report(one, push.State{Rev: rev, Instance: "j", Stopped: "gone"}) // of a version that is over
	want(push.State{Rev: rev2, Instance: "i", Delivered: 8, Failed: 2, Dead: 1})
	if err := one.Remove(t.Context(), "x", rev2); err != nil {
		t.Fatal(err)
	}
	if err := one.Report(t.Context(), "x", push.State{Rev: rev2, Delivered: 1}); !errors.Is(err, push.ErrNotFound) {
		t.Errorf("a report of what is gone: %v", err)
	}
	if all, err := one.States(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

func pushLease(t *testing.T, b *PushBackend) {
	one, two := b.Open(t), b.Open(t)
	ask := func(s push.Store, owner string, ttl time.Duration, want ...bool) {
		t.Helper()
		got, err := s.Lease(t.Context(), []string{"a", "b"}[:len(want)], owner, ttl)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", owner, err, diff)
		}
	}
	ask(one, "one", 2*time.Second, true)
	ask(two, "two", 2*time.Second, false, true)
	ask(one, "one", 2*time.Second, true, false)
	ask(one, "one", 0, false)
	ask(two, "two", 2*time.Second, true, true)
	b.Pass(t, 2200*time.Millisecond)
	ask(one, "one", 2*time.Second, true, true)
}
