package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/session"
)

// askAgain is after what time a word without an answer is told again: it, or the answer, may be lost.
const askAgain = 2 * time.Second

// replies begins the names of the channels of answers.
const replies = "reply:"

// Ask tells a word on another instance's channel until the answer is there; see session.Asker. The answer comes on a channel of
// its own, which is subscribed to first.
func (s *Store) Ask(ctx context.Context, instance string, w session.Word) (session.Word, error) {
	token, err := s.token()
	if err != nil {
		return session.Word{}, err
	}
	w.Reply = replies + token
	sub := s.client.Subscribe(ctx, s.keys.channel(w.Reply))
	defer func() { _ = sub.Close() }()
	if _, err := sub.Receive(ctx); err != nil {
		return session.Word{}, fmt.Errorf("ask instance: %w", err)
	}
	for {
		if err := s.Tell(ctx, instance, w); err != nil {
			return session.Word{}, err
		}
		answer, err := answerTo(ctx, sub)
		if !errors.Is(err, errUnanswered) {
			return answer, err
		}
	}
}

// errUnanswered says that it is time to ask again.
var errUnanswered = errors.New("no answer yet")

func answerTo(ctx context.Context, sub *redis.PubSub) (session.Word, error) {
	until := time.Now().Add(askAgain)
	for {
		got, err := sub.ReceiveTimeout(ctx, max(time.Until(until), time.Millisecond))
		var slow interface{ Timeout() bool }
		switch {
		case ctx.Err() != nil:
			return session.Word{}, ctx.Err()
		case errors.As(err, &slow) && slow.Timeout():
			return session.Word{}, errUnanswered
		case err != nil:
			return session.Word{}, fmt.Errorf("ask instance: %w", err)
		}
		m, ok := got.(*redis.Message)
		if !ok {
			continue
		}
		w, err := decodeWord(m.Payload)
		if err != nil {
			return session.Word{}, err
		}
		if w.Kind == session.WordAnswer {
			return w, nil
		}
	}
}
