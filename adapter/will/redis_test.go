package will_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/adapter/will"
	"lmqgate/meta/message"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/session"
)

// lanes send at once. Those of a process that dies say nothing after the send.
type lanes struct {
	book *book
	dies func(key string) bool
	wg   sync.WaitGroup
}

func (l *lanes) NewLane() message.Lane { return l }

func (l *lanes) Publish(p *message.Publication) {
	place := message.Place{Topic: "t", Broker: "b"}
	if p.Place != nil {
		place = *p.Place
	}
	l.wg.Add(1)
	p.Prepare(p.Message.Key, place, func(err error) {
		defer l.wg.Done()
		switch {
		case err != nil:
		case p.Abandoned():
			err = message.ErrAbandoned
		case !p.Repeat || l.book.has(p.Message.Key) == 0:
			l.book.store(p.Message)
		}
		if l.dies == nil || !l.dies(p.Message.Key) {
			p.Done(message.Result{}, err)
		}
	})
}

// TestStore: with the real store, wills of a dead instance are published once, though the first that takes them dies
// over a part of them and two others sweep at the same time.
func TestStore(t *testing.T) {
	m := miniredis.RunT(t)
	now := time.Now()
	m.SetTime(now)
	open := func() *redisstore.Store {
		s, err := redisstore.Open(redisstore.Config{URL: "redis://" + m.Addr(), PoolSize: 8})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	s, ctx, b := open(), t.Context(), &book{}
	const n = 200
	if err := s.Beat(ctx, "dead", time.Hour); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		w := &session.Will{Message: &message.Message{Topic: "t", QoS: 1, Key: fmt.Sprint("K", i)}}
		_, err := s.Attach(ctx, session.AttachRequest{ClientID: fmt.Sprint("c", i), Instance: "dead", Expiry: time.Hour, Will: w})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Leave(ctx, "dead"); err != nil {
		t.Fatal(err)
	}
	first := &lanes{book: b, dies: func(key string) bool { return key[len(key)-1] < '5' }}
	p := will.New(s, first, will.Config{})
	ended, _, err := s.Orphans(ctx, "dead", n)
	if err != nil || len(ended) != n {
		t.Fatalf("%d of %d ended, %v", len(ended), n, err)
	}
	for _, e := range ended {
		p.Publish(e.Wills...)
	}
	first.wg.Wait()
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := p.Close(over); err == nil {
		t.Error("closed as if nothing was left")
	}
	m.SetTime(now.Add(session.ClaimTime + time.Second))
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			s := open()
			p := will.New(s, &lanes{book: b}, will.Config{})
			for more := true; more; {
				var ended []session.Ended
				var err error
				if ended, more, err = s.Expired(ctx, time.Time{}, 7); err != nil {
					t.Error(err)
					return
				}
				for _, e := range ended {
					p.Publish(e.Wills...)
				}
			}
			if err := p.Close(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range n {
		if got := b.has(fmt.Sprint("K", i)); got != 1 {
			t.Errorf("will %d was sent %d times", i, got)
		}
	}
	if ended, _, err := s.Expired(ctx, now.Add(time.Minute), n); err != nil || len(ended) > 0 {
		t.Errorf("left: %d, %v", len(ended), err)
	}
}
