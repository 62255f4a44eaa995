package metatest

import (
	"context"
	"errors"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// ask: the answer reaches who asked, another one's does not, and the question is complete.
func ask(t *testing.T, b *Backend) {
	s, other := b.Open(t), b.Open(t)
	at := Listen(t, other, "i1")
	defer at.Stop(t)
	question := session.Word{
		Kind: session.WordSubscribe, ClientID: "c", Epoch: 7,
		Subscription: session.Subscription{Filter: "a/\x01#", QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 1, ID: 5, Granted: true},
	}
	answered := make(chan error, 1)
	go func() {
		w := at.Next()
		reply := w.Reply
		if w.Reply = ""; w != question || reply == "" {
			answered <- errors.New("another question")
			return
		}
		for _, answer := range []session.Word{{Kind: session.WordLost}, {Kind: session.WordAnswer, ClientID: "c", Code: 0x97}} {
			if err := other.Tell(context.WithoutCancel(t.Context()), reply, answer); err != nil {
				answered <- err
				return
			}
		}
		answered <- nil
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := s.Ask(ctx, "i1", question)
	if asked := <-answered; err != nil || asked != nil {
		t.Fatal(err, asked)
	}
	equal(t, "answer", got, session.Word{Kind: session.WordAnswer, ClientID: "c", Code: 0x97})
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := s.Ask(gone, "nobody", question); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody answers: %v", err)
	}
}
