package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/session"
)

// wordFormat begins every published word; the rest is JSON.
const wordFormat = '1'

// maxWord bounds the size of a word that is decoded: a client id has 65,535 bytes at most.
const maxWord = 1 << 19

// waitingWords bounds the words between Redis and the callback. When it is full for a minute, words are dropped.
const waitingWords = 1000

// Tell publishes a word on the other instance's channel. That nobody listens is no error.
func (s *Store) Tell(ctx context.Context, instance string, w session.Word) error {
	text, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("tell instance: %w", err)
	}
	if err := s.client.Publish(ctx, s.keys.channel(instance), string(wordFormat)+string(text)).Err(); err != nil {
		return fmt.Errorf("tell instance: %w", err)
	}
	return nil
}

// Listen calls fn for each word, one at a time, until ctx ends; it then returns the reason. It reconnects by itself.
func (s *Store) Listen(ctx context.Context, instance string, fn func(session.Word)) error {
	sub := s.client.Subscribe(ctx, s.keys.channel(instance))
	words := sub.Channel(redis.WithChannelSize(waitingWords), redis.WithChannelHealthCheckInterval(5*time.Second))
	defer func() {
		_ = sub.Close()
		for range words { // ends when go-redis's reader has
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case m, ok := <-words:
			if !ok {
				return errors.New("listen for words: redis client closed")
			}
			w, err := decodeWord(m.Payload)
			if err != nil {
				s.log.Warn("word ignored", slog.Any("error", err))
				continue
			}
			fn(w)
		}
	}
}

func decodeWord(text string) (w session.Word, err error) {
	if len(text) > maxWord {
		return w, errors.New("decode word: too long")
	}
	if text == "" || text[0] != wordFormat {
		return w, fmt.Errorf("decode word: %w", session.ErrFormat)
	}
	if err := json.Unmarshal([]byte(text[1:]), &w); err != nil {
		return w, fmt.Errorf("decode word: %w", err)
	}
	return w, nil
}
