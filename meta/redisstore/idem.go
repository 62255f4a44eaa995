package redisstore

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"lmqgate/meta/idem"
	"lmqgate/meta/message"
)

//go:embed lua/idem.lua
var idemSource string

func (k keys) idem(name string) string { return k.prefix + "idem:" + name }

// Requests keeps requests that may be repeated. It implements idem.Store.
type Requests struct{ s *Store }

var _ idem.Store = Requests{}

// Requests returns the store of requests that may be repeated.
func (s *Store) Requests() Requests { return Requests{s} }

// attempt is an idem.Attempt as it is kept.
type attempt struct {
	Key    string `json:"k"`
	Topic  string `json:"t"`
	Broker string `json:"b"`
	Queue  int    `json:"q"`
	At     int64  `json:"at"` // ms
}

func (r Requests) call(ctx context.Context, name string, args ...any) ([]string, error) {
	t := r.s.trip()
	cmd := t.run(ctx, r.s.scripts.idem, []string{r.s.keys.idem(name)}, args...)
	if err := t.send(ctx); err != nil {
		return nil, fmt.Errorf("idempotency key: %w", err)
	}
	reply, err := cmd.StringSlice()
	switch {
	case err != nil:
		return nil, fmt.Errorf("idempotency key: %w", err)
	case len(reply) == 0 || reply[0] == "format":
		return nil, fmt.Errorf("idempotency key: stored by another version of the gateway")
	case reply[0] == "lost":
		return nil, idem.ErrLost
	}
	return reply, nil
}

// Begin implements idem.Store.
func (r Requests) Begin(ctx context.Context, name, hash string, lease, keep time.Duration) (idem.Answer, error) {
	token := rand.Text()
	reply, err := r.call(ctx, name, "begin", hash, token, lease.Milliseconds(), keep.Milliseconds())
	if err != nil {
		return idem.Answer{}, err
	}
	switch reply[0] {
	case "another":
		return idem.Answer{State: idem.Another}, nil
	case "busy":
		return idem.Answer{State: idem.UnderWay}, nil
	case "finished":
		return idem.Answer{State: idem.Finished, Result: []byte(reply[1])}, nil
	}
	a := idem.Answer{State: idem.Begun, Token: token}
	if reply[1] == "" {
		return a, nil
	}
	var kept attempt
	if err := json.Unmarshal([]byte(reply[1]), &kept); err != nil {
		return idem.Answer{}, fmt.Errorf("idempotency key: %w", err)
	}
	a.Attempt = &idem.Attempt{
		Key: kept.Key, Place: message.Place{Topic: kept.Topic, Broker: kept.Broker, Queue: kept.Queue}, At: time.UnixMilli(kept.At),
	}
	return a, nil
}

// Sending implements idem.Store.
func (r Requests) Sending(ctx context.Context, name, token string, a idem.Attempt) error {
	text, err := json.Marshal(attempt{a.Key, a.Place.Topic, a.Place.Broker, a.Place.Queue, a.At.UnixMilli()})
	if err == nil {
		_, err = r.call(ctx, name, "sending", token, text)
	}
	return err
}

// Finish implements idem.Store.
func (r Requests) Finish(ctx context.Context, name, token string, result []byte) error {
	_, err := r.call(ctx, name, "finish", token, result)
	return err
}

// Leave implements idem.Store.
func (r Requests) Leave(ctx context.Context, name, token string, nothingDone bool) error {
	flag := "0"
	if nothingDone {
		flag = "1"
	}
	_, err := r.call(ctx, name, "leave", token, flag)
	return err
}
