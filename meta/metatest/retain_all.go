package metatest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
)

// setTogether is SetAll; the errors are to be those of want, by index, and no others.
func setTogether(t *testing.T, s retain.Store, want map[int]error, messages ...*message.Message) {
	t.Helper()
	errs := s.SetAll(t.Context(), messages)
	if len(errs) != len(messages) {
		t.Fatalf("%d errors for %d messages", len(errs), len(messages))
	}
	for i, err := range errs {
		if !errors.Is(err, want[i]) {
			t.Errorf("message %d of %d, %.40q: %v, want %v", i, len(messages), messages[i].Topic, err, want[i])
		}
	}
}

// retainTogether: SetAll is Set for each in turn, and none disturbs another.
func retainTogether(t *testing.T, b *RetainedBackend) {
	s := b.Open(t, RetainLimits{Payload: 10})
	setTogether(t, s, nil)
	expired := retained("t/expired", "x")
	expired.BornMillis, expired.Properties = 1, message.Properties{HasExpiry: true, Expiry: 1}
	setTogether(t, s, nil, retained("t/goes", "x"), retained("t/expired", "x"), retained("t/stays", "x"), retained("u", "x"))
	setTogether(t, s, map[int]error{1: retain.ErrTooLarge, 5: retain.ErrTooLarge},
		retained("t/new", "1"), retained("t/stays", "0123456789a"), retained("t/goes", ""), expired,
		retained("u", "y"), retained("u", "0123456789a"), retained("v", "x"), retained("v", ""), retained("w", ""), retained("w", "x"),
	)
	wantMatches(t, s, map[string]string{"t/new": "1", "t/stays": "x", "u": "y", "w": "x"}, []string{"#", "t/+", "+"}, 10)
	wantCount(t, s, 4)

	errs := s.SetAll(t.Context(), []*message.Message{retained("a/+", "x"), retained("good", "x"), retained("", "x")})
	if len(errs) != 3 || errs[0] == nil || errs[1] != nil || errs[2] == nil {
		t.Errorf("invalid names: %v", errs)
	}
	wantRetained(t, s, "good", retained("good", "x"))
}

// retainTogetherLimits: of many at once as many are kept as there is room for, whichever, and what is known is replaced.
func retainTogetherLimits(t *testing.T, b *RetainedBackend) {
	s := b.Open(t, RetainLimits{Count: 250}) // a count allows two additions
	setRetained(t, s, retained("known/1", "x"))
	setRetained(t, s, retained("known/2", "x"))
	batch := []*message.Message{retained("known/1", "y"), retained("known/2", "")}
	for i := range 300 {
		batch = append(batch, retained(fmt.Sprint("n", i%7, "/", i), "x"))
	}
	kept := make(map[string]string)
	for i, err := range s.SetAll(t.Context(), batch) {
		switch {
		case err == nil && len(batch[i].Payload) > 0:
			kept[batch[i].Topic] = string(batch[i].Payload)
		case err != nil && (i < 2 || !errors.Is(err, retain.ErrLimit)):
			t.Errorf("message %d: %v", i, err)
		}
	}
	if len(kept) != 250 || kept["known/1"] != "y" {
		t.Errorf("%d kept, want 250", len(kept))
	}
	wantCount(t, s, 250)
	wantMatches(t, s, kept, []string{"#", "known/+", "n3/+"}, 100)
	setTogether(t, s, map[int]error{0: retain.ErrLimit, 2: retain.ErrLimit}, retained("more", "1"), retained("known/1", "z"), retained("more", "2"))
	setTogether(t, s, map[int]error{2: retain.ErrLimit}, retained("known/1", ""), retained("more", "1"), retained("yet/more", "1"))
	wantRetained(t, s, "more", retained("more", "1"))
	wantCount(t, s, 250)
}

// retainTogetherModel: random batches, with repeated topics, against a map.
func retainTogetherModel(t *testing.T, b *RetainedBackend) {
	const seed = 11
	random := rand.New(rand.NewPCG(seed, seed))
	stores := []retain.Store{b.Open(t, RetainLimits{Payload: 100}), b.Open(t, RetainLimits{Payload: 100})}
	stored := make(map[string]string)
	for step := range 60 {
		var batch []*message.Message
		refused := make(map[int]error)
		for i := range random.IntN(40) {
			name := fmt.Sprintf("m%d/%d", random.IntN(4), random.IntN(8))
			switch payload := fmt.Sprint(step, ".", i); random.IntN(8) {
			case 0, 1:
				batch = append(batch, retained(name, ""))
				delete(stored, name)
			case 2:
				batch = append(batch, retained(name, strings.Repeat("x", 101)))
				refused[i] = retain.ErrTooLarge
			default:
				batch = append(batch, retained(name, payload))
				stored[name] = payload
			}
		}
		setTogether(t, stores[random.IntN(2)], refused, batch...)
		if step%10 == 0 {
			wantMatches(t, stores[random.IntN(2)], stored, []string{"#", "m1/+"}, 9)
		}
	}
	wantCount(t, stores[0], len(stored))
	wantMatches(t, stores[1], stored, []string{"#"}, 50)
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}
