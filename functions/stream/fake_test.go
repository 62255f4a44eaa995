package stream

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/functions/web"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
)

// log is a Reader over a list of messages; a position is the index of the next one.
type log struct {
	mu     sync.Mutex // protects the fields below
	list   []*message.Message
	more   chan struct{} // closed and replaced with every message
	opened []message.ReadRequest
	closed int
	refuse error
	end    error // of readings that have read everything
	gap    bool
}

func newLog() *log { return &log{more: make(chan struct{})} }

func (l *log) publish(topic, payload string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, &message.Message{Topic: topic, Payload: []byte(payload), QoS: 1, Key: "K" + strconv.Itoa(len(l.list)), BornMillis: 1})
	l.wake()
}

func (l *log) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = err
	l.wake()
}

func (l *log) wake() { close(l.more); l.more = make(chan struct{}) }

func (l *log) Open(_ context.Context, q message.ReadRequest) (message.Reading, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.opened = append(l.opened, q)
	if l.refuse != nil {
		return nil, l.refuse
	}
	at := len(l.list)
	if q.From != "" {
		var err error
		if at, err = strconv.Atoi(string(q.From)); err != nil {
			return nil, message.ErrPosition
		}
	}
	return &place{l, at, at, q.From != "" && !l.gap}, nil
}

type place struct {
	l         *log
	begin, at int
	resumed   bool
}

func (p *place) Next(ctx context.Context) (message.Arrival, error) {
	for {
		p.l.mu.Lock()
		more, end := p.l.more, p.l.end
		if p.at < len(p.l.list) {
			m := p.l.list[p.at]
			p.at++
			p.l.mu.Unlock()
			a := message.Arrival{Message: m, Position: message.Position(strconv.Itoa(p.at)), Retained: m.Retain}
			if m.Retain {
				a.Position = ""
			}
			return a, nil
		}
		p.l.mu.Unlock()
		if end != nil {
			return message.Arrival{}, end
		}
		select {
		case <-more:
		case <-ctx.Done():
			return message.Arrival{}, ctx.Err()
		}
	}
}

func (p *place) Ack(uint16) {}

func (p *place) Position() message.Position { return message.Position(strconv.Itoa(p.begin)) }

func (p *place) Resumed() bool { return p.resumed }

func (p *place) Close() error {
	p.l.mu.Lock()
	defer p.l.mu.Unlock()
	p.l.closed++
	return nil
}

// everybody lets in whoever names a user; "wrong" nobody.
type everybody struct{}

func (everybody) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	if l.Username == "wrong" {
		return access.Identity{}, access.ErrDenied
	}
	return access.Identity{Username: l.Username, Method: "test"}, nil
}

// patience bounds what no test waits for unless it fails.
const patience = time.Minute

func handler(t *testing.T, l *log, change ...func(*Config)) *Handler {
	t.Helper()
	cfg := Config{Reader: l, Guard: &web.Guard{Verifier: everybody{}}, Resume: time.Minute, Secret: secret}
	for _, c := range change {
		c(&cfg)
	}
	h := New(cfg)
	t.Cleanup(h.Stop)
	return h
}

func secret(context.Context) ([]byte, error) { return []byte("of these tests"), nil }

func lines(texts ...string) string { return strings.Join(texts, "\n") + "\n" }

func handlerGuard() *web.Guard { return &web.Guard{Verifier: everybody{}} }
