package metatest

import (
	"fmt"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// Sweepers is the contract of session.Instances and session.Sweeper.
func Sweepers(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, *Backend){
		"Heartbeat":     heartbeat,
		"Leave":         leave,
		"LiveIsSpared":  liveIsSpared,
		"Orphans":       orphans,
		"OrphanFenced":  orphanFenced,
		"OrphanResumed": orphanResumed,
		"Expired":       expired,
		"NotYet":        notYet,
		"Unsettled":     unsettled,
		"EndedReborn":   endedReborn,
		"ExactlyOnce":   exactlyOnce,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// sweep calls fn until there is no more.
func sweep(t *testing.T, fn func() ([]session.Ended, bool, error)) []session.Ended {
	t.Helper()
	var all []session.Ended
	for {
		ended, more, err := fn()
		if err != nil {
			t.Fatal(err)
		}
		if all = append(all, ended...); !more {
			return all
		}
	}
}

func sweepInstance(t *testing.T, s session.Sweeper, instance string) []session.Ended {
	t.Helper()
	return sweep(t, func() ([]session.Ended, bool, error) { return s.Orphans(t.Context(), instance, 7) })
}

// subscribed attaches a client with one subscription.
func subscribed(t *testing.T, s session.Store, clientID, instance string, expiry time.Duration) session.Epoch {
	t.Helper()
	st := attach(t, s, session.AttachRequest{ClientID: clientID, Instance: instance, Expiry: expiry})
	write(t, s, session.Change{ClientID: clientID, Epoch: st.Epoch, SetSubs: []session.Subscription{sub("a", 1)}})
	return st.Epoch
}

func endedA(clientID string) session.Ended {
	return session.Ended{ClientID: clientID, Over: true, Subscriptions: []session.Subscription{sub("a", 1)}}
}

func orphans(t *testing.T, b *Backend) {
	s := b.Open(t)
	var want []session.Ended
	for i := range 20 {
		id := fmt.Sprint("clean", i)
		subscribed(t, s, id, "i1", 0)
		kept, ever := fmt.Sprint("kept", i), fmt.Sprint("ever", i)
		subscribed(t, s, kept, "i1", time.Hour)
		subscribed(t, s, ever, "i1", session.Never)
		want = append(want, endedA(id), session.Ended{ClientID: kept}, session.Ended{ClientID: ever})
	}
	subscribed(t, s, "taken", "i1", 0)
	subscribed(t, s, "taken", "i2", 0)
	detach(t, s, "left", subscribed(t, s, "left", "i1", time.Hour))
	beat(t, s, "i2", time.Hour)
	die(t, s, "i1")
	died := b.Now(t)
	b.Pass(t, 5*time.Millisecond)
	equal(t, "detached", sweepInstance(t, s, "i1"), want)
	info, _, err := s.Peek(t.Context(), "kept3")
	if err != nil || info.Connected || info.Expires.After(died.Add(time.Hour+time.Millisecond)) {
		t.Errorf("kept session: %+v, %v; its instance died at %v", info, err, died)
	}
	if info, _, err = s.Peek(t.Context(), "taken"); err != nil || info.Instance != "i2" || !info.Connected {
		t.Errorf("taken session: %+v, %v", info, err)
	}
	if again := sweepInstance(t, s, "i1"); len(again) > 0 {
		t.Errorf("swept again: %v", again)
	}
	late := b.Now(t).Add(2 * time.Hour)
	if ended := sweepExpired(t, s, late); len(ended) != 41 {
		t.Errorf("%d ended later, want 20 kept ones, left, and 20 that nobody settled", len(ended))
	}
	if info, _, err = s.Peek(t.Context(), "ever3"); err != nil || info.Connected || info.Ended {
		t.Errorf("session without expiry: %+v, %v", info, err)
	}
}

// orphanFenced: an instance that only seemed dead cannot write any more.
func orphanFenced(t *testing.T, b *Backend) {
	s := b.Open(t)
	kept := subscribed(t, s, "kept", "i1", time.Hour)
	clean := subscribed(t, s, "clean", "i1", 0)
	die(t, s, "i1")
	sweepInstance(t, s, "i1")
	for id, e := range map[string]session.Epoch{"kept": kept, "clean": clean} {
		wantFenced(t, s, session.Change{ClientID: id, Epoch: e, DropSubs: []string{"a"}})
		if _, err := s.Detach(t.Context(), id, e, session.PartingLost); err == nil {
			t.Errorf("%s: detached by a zombie", id)
		}
	}
}

func orphanResumed(t *testing.T, b *Backend) {
	s := b.Open(t)
	e := subscribed(t, s, "c", "i1", time.Hour)
	die(t, s, "i1")
	sweepInstance(t, s, "i1")
	got := attach(t, s, session.AttachRequest{ClientID: "c", Instance: "i2", Expiry: time.Hour})
	if !got.Present || got.Previous != nil || got.Epoch <= e || len(got.Subscriptions) != 1 {
		t.Errorf("resumed: %+v", got)
	}
	if ended := sweepExpired(t, s, b.Now(t).Add(100*time.Hour)); len(ended) > 0 {
		t.Errorf("a connected session expired: %v", ended)
	}
}
