package metatest

import (
	"testing"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// Wills is the contract of everything that concerns wills, in all of meta/session.
func Wills(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, *Backend){
		"Clean":            willClean,
		"Lost":             willLost,
		"LostWithDelay":    willDelayed,
		"SessionEndsFirst": willAtSessionEnd,
		"Moved":            willMoved,
		"MovedAndBack":     willMovedBack,
		"Takeover":         willTakeover,
		"Return":           willReturn,
		"Replaced":         willReplaced,
		"Fenced":           willFenced,
		"Orphans":          willOrphans,
		"Claims":           willClaims,
		"Placed":           willPlaced,
		"Several":          willsSeveral,
		"Bound":            willsBound,
		"OddNames":         willOddNames,
		"ExactlyOnce":      willsExactlyOnce,
		"Model":            willsModel,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

// will is a will that uses every part of a message.
func will(key string, delay time.Duration) *session.Will {
	return &session.Will{Delay: delay, Message: &message.Message{
		Topic: "state/" + key, Payload: []byte("\x00offline\xff"), QoS: 2, Retain: true, Key: key, Publisher: "c", BornMillis: 5,
		Properties: message.Properties{
			Expiry: 60, HasExpiry: true, ContentType: "text", ResponseTopic: "r", CorrelationData: []byte{}, HasFormat: true,
			User: []message.UserProperty{{Key: "a", Value: "b"}, {Key: "a", Value: "c"}},
		},
	}}
}

// willed attaches "c" with a will.
func willed(t *testing.T, s session.Store, key string, delay, expiry time.Duration) session.Epoch {
	t.Helper()
	return attach(t, s, session.AttachRequest{ClientID: "c", Expiry: expiry, Will: will(key, delay)}).Epoch
}

func part(t *testing.T, s session.Store, e session.Epoch, p session.Parting) session.Ended {
	t.Helper()
	ended, err := s.Detach(t.Context(), "c", e, p)
	if err != nil {
		t.Fatal(err)
	}
	return ended
}

// wantWills checks whose wills were handed out; claims and ids must be there, whatever they are.
func wantWills(t *testing.T, what string, got []session.DueWill, keys ...string) {
	t.Helper()
	var have []string
	for _, w := range got {
		have = append(have, w.Message.Key)
		if w.ID == "" || w.Claim == "" || w.ClientID == "" {
			t.Errorf("%s: handed out as %+v", what, w)
		}
	}
	equal(t, what+": wills", have, keys)
}

// swept are the wills that a sweep at a time hands out; the sessions that it ends are settled.
func swept(t *testing.T, s Store, at time.Time) []session.DueWill {
	t.Helper()
	var wills []session.DueWill
	for _, e := range sweepExpired(t, s, at) {
		if wills = append(wills, e.Wills...); !e.Over {
			if len(e.Wills) == 0 || len(e.Subscriptions) > 0 {
				t.Errorf("swept without a reason: %+v", e)
			}
			continue
		}
		if err := s.Settled(t.Context(), []string{e.ClientID}); err != nil {
			t.Fatal(err)
		}
	}
	return wills
}

// never is beyond every delay and every claim.
func never(t *testing.T, b *Backend) time.Time { return b.Now(t).Add(1e6 * time.Hour) }

// willClean: a DISCONNECT with reason code 0 deletes the will [MQTT-3.14.4-3].
func willClean(t *testing.T, b *Backend) {
	s := b.Open(t)
	for _, expiry := range []time.Duration{0, time.Hour, session.Never} {
		for _, delay := range []time.Duration{0, time.Minute} {
			e := willed(t, s, "w", delay, expiry)
			wantWills(t, "clean", part(t, s, e, session.PartingClean).Wills)
			st := attach(t, s, session.AttachRequest{ClientID: "c", Expiry: expiry, CleanStart: true})
			wantWills(t, "clean start", st.Wills)
			wantWills(t, "lost without a will", part(t, s, st.Epoch, session.PartingLost).Wills)
			wantWills(t, "later", swept(t, s, never(t, b)))
		}
	}
}

func willLost(t *testing.T, b *Backend) {
	s := b.Open(t)
	for _, expiry := range []time.Duration{0, time.Hour, session.Never} {
		e := willed(t, s, "w", 0, expiry)
		ended := part(t, s, e, session.PartingLost)
		wantWills(t, "lost", ended.Wills, "w")
		want := session.DueWill{ClientID: "c", ID: ended.Wills[0].ID, Claim: ended.Wills[0].Claim, Message: will("w", 0).Message}
		equal(t, "will", ended.Wills[0], want)
		if ended.Over != (expiry == 0) {
			t.Errorf("over: %v", ended.Over)
		}
		equal(t, "repeated", part(t, b.Open(t), e, session.PartingLost), ended)
		wantWills(t, "while claimed", swept(t, s, b.Now(t).Add(session.ClaimTime-time.Second)))
		if err := s.WillsDone(t.Context(), ended.Wills); err != nil {
			t.Fatal(err)
		}
		wantWills(t, "repeated after it was published", part(t, s, e, session.PartingLost).Wills)
		wantWills(t, "later", swept(t, s, never(t, b)))
	}
}

// willDelayed: the will is published when its delay is over, without an end of the session.
func willDelayed(t *testing.T, b *Backend) {
	s := b.Open(t)
	for _, expiry := range []time.Duration{time.Hour, session.Never} {
		e := willed(t, s, "w", time.Minute, expiry)
		for range 2 {
			ended := part(t, s, e, session.PartingLost)
			wantWills(t, "lost", ended.Wills)
			if ended.Over {
				t.Error("the session is over")
			}
		}
		now := b.Now(t)
		wantWills(t, "early", swept(t, s, now.Add(50*time.Second)))
		wantWills(t, "in time", swept(t, s, now.Add(61*time.Second)), "w")
		wantWills(t, "again", swept(t, s, now.Add(62*time.Second)))
		got := attach(t, s, session.AttachRequest{ClientID: "c"})
		wantWills(t, "resumed", got.Wills)
		if !got.Present {
			t.Error("the session is gone")
		}
		wantWills(t, "again after its claim", swept(t, s, now.Add(61*time.Second+session.ClaimTime)), "w")
		part(t, s, got.Epoch, session.PartingClean)
		done := swept(t, s, never(t, b))
		wantWills(t, "at last", done, "w")
		if err := s.WillsDone(t.Context(), done); err != nil {
			t.Fatal(err)
		}
	}
}

// willAtSessionEnd: the end of the session makes a delayed will due.
func willAtSessionEnd(t *testing.T, b *Backend) {
	s := b.Open(t)
	ended := part(t, s, willed(t, s, "w0", time.Hour, 0), session.PartingLost)
	wantWills(t, "ends at once", ended.Wills, "w0")
	if err := s.WillsDone(t.Context(), ended.Wills); err != nil {
		t.Fatal(err)
	}
	part(t, s, willed(t, s, "w1", time.Hour, time.Minute), session.PartingLost)
	now := b.Now(t)
	wantWills(t, "early", swept(t, s, now.Add(50*time.Second)))
	all := sweepExpired(t, s, now.Add(61*time.Second))
	if len(all) != 1 || !all[0].Over {
		t.Fatalf("ended %+v", all)
	}
	wantWills(t, "with the session", all[0].Wills, "w1")
	if err := s.Settled(t.Context(), []string{"c"}); err != nil {
		t.Fatal(err)
	}
	wantWills(t, "while claimed", swept(t, s, now.Add(70*time.Second)))
	wantWills(t, "after its claim", swept(t, s, now.Add(80*time.Second)), "w1")
}
