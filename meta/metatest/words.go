package metatest

import (
	"context"
	"errors"
	"testing"

	"lmqgate/meta/session"
)

// Words is the contract of session.Words.
func Words(t *testing.T, open Opener) {
	t.Run("Deliver", func(t *testing.T) { deliver(t, open(t)) })
	t.Run("Ask", func(t *testing.T) { ask(t, open(t)) })
	t.Run("Nobody", func(t *testing.T) {
		if err := open(t).Open(t).Tell(t.Context(), "nobody", session.Word{Kind: "kick"}); err != nil {
			t.Errorf("tell nobody: %v", err)
		}
	})
}

// Listener is one instance that listens.
type Listener struct {
	Words <-chan session.Word
	stop  context.CancelFunc
	done  <-chan error
}

// Listen starts listening and returns once words arrive.
func Listen(t *testing.T, s session.Words, instance string) *Listener {
	ctx, stop := context.WithCancel(t.Context())
	words, done := make(chan session.Word, 1000), make(chan error, 1)
	go func() {
		done <- s.Listen(ctx, instance, func(w session.Word) {
			select {
			case words <- w:
			default: // more probes than anybody waits for
			}
		})
	}()
	l := &Listener{Words: words, stop: stop, done: done}
	l.Hear(t, s, instance)
	return l
}

// probe is told to find out whether words arrive; it may be heard late.
const probe = "probe"

// Hear tells the listener until it hears: a store cannot say when it listens, and words may be lost before.
func (l *Listener) Hear(t *testing.T, s session.Words, instance string) {
	t.Helper()
	for {
		if err := s.Tell(t.Context(), instance, session.Word{Kind: probe}); err != nil && t.Context().Err() != nil {
			t.Fatal(err)
		}
		select {
		case <-l.Words:
			return
		default:
		}
	}
}

// Next returns the next word that is no probe.
func (l *Listener) Next() session.Word {
	for w := range l.Words {
		if w.Kind != probe {
			return w
		}
	}
	return session.Word{}
}

// Stop ends listening.
func (l *Listener) Stop(t *testing.T) {
	t.Helper()
	l.stop()
	if err := <-l.done; !errors.Is(err, context.Canceled) {
		t.Errorf("listen ended with %v", err)
	}
}

func deliver(t *testing.T, b *Backend) {
	s := b.Open(t)
	one, two := Listen(t, s, "i1"), Listen(t, b.Open(t), "i{2}")
	var words []session.Word
	for i, id := range oddNames() {
		words = append(words, session.Word{Kind: "lost", ClientID: id, Epoch: session.Epoch(1<<53 - 1 - i)})
	}
	for _, w := range words {
		if err := s.Tell(t.Context(), "i1", w); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Tell(t.Context(), "i{2}", session.Word{Kind: "kick", ClientID: "c"}); err != nil {
		t.Fatal(err)
	}
	heard := make(map[session.Word]int) // a store need not keep the order
	for range words {
		heard[one.Next()]++
	}
	for _, w := range words {
		if heard[w] != 1 {
			t.Errorf("%+v was heard %d times", w, heard[w])
		}
	}
	equal(t, "word", two.Next(), session.Word{Kind: "kick", ClientID: "c"})
	one.Stop(t)
	two.Stop(t)
	for len(one.Words)+len(two.Words) > 0 {
		var w session.Word
		select {
		case w = <-one.Words:
		case w = <-two.Words:
		}
		if w.Kind != probe {
			t.Errorf("a word too many: %+v", w)
		}
	}
}
