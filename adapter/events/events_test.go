package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/events"
	"lmqgate/meta/message"
)

// log keeps what is published, unless it is away.
type log struct {
	mu   sync.Mutex // protects the fields below
	away bool
	said []string
	last events.Event
}

func (l *log) NewLane() message.Lane { return l }

func (l *log) Publish(p *message.Publication) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		p.Done(message.Result{}, message.ErrUnavailable)
		return
	}
	if p.Abandoned() {
		p.Done(message.Result{}, message.ErrAbandoned)
		return
	}
	l.last = events.Event{}
	if err := json.Unmarshal(p.Message.Payload, &l.last); err != nil || p.Message.QoS != 1 {
		p.Done(message.Result{}, errors.Join(message.ErrRefused, err))
		return
	}
	l.said = append(l.said, fmt.Sprint(p.Message.Topic, " ", l.last.ClientID, " ", l.last.Reason, " ", l.last.Count))
	p.Done(message.Result{}, nil)
}

func (l *log) set(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
}

func (l *log) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Sort(l.said); !slices.Equal(l.said, want) {
		t.Errorf("got %q, want %q", l.said, want)
	}
}

func TestTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		p := events.New(l, events.Config{Types: []string{events.Connected, events.Expired}, Instance: "gw"})
		defer p.Close(t.Context())
		p.Tell(events.Event{Type: events.Connected, ClientID: "a"})
		p.Tell(events.Event{Type: events.Disconnected, ClientID: "a"}) // not wanted
		p.Drop("a", "expired", "t", 3)                                 // neither
		p.Tell(events.Event{Type: events.Expired, ClientID: "b", Reason: "x"})
		time.Sleep(time.Minute)
		l.want(t, "$SYS/events/client/connected a  0", "$SYS/events/session/expired b x 0")
		if l.last.Instance != "gw" || l.last.At.IsZero() {
			t.Errorf("%+v", l.last)
		}
		var none *events.Publisher
		if none.Wants(events.Connected) {
			t.Error("nobody wants events")
		}
	})
}

// TestSums: dropped messages are summed up by client and reason.
func TestSums(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		p := events.New(l, events.Config{Types: events.Types()})
		for range 1000 {
			p.Drop("a", "expired", "t", 1)
			p.Drop("b", "too_large", "t", 2)
			p.Drop("a", "too_large", "t", 1)
		}
		time.Sleep(6 * time.Second)
		want := []string{
			"$SYS/events/message/dropped a expired 1000", "$SYS/events/message/dropped a too_large 1000", "$SYS/events/message/dropped b too_large 2000",
		}
		l.want(t, want...)
		p.Drop("c", "expired", "t", 1)
		p.Close(t.Context())
		l.want(t, append(want, "$SYS/events/message/dropped c expired 1")...)
		p.Tell(events.Event{Type: events.Connected, ClientID: "late"})
		p.Drop("late", "expired", "t", 1)
		l.want(t, l.said...)
	})
}

// TestAway: events wait for the log, for a while, in bounded room; Close gives them up when its time is over.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		p := events.New(l, events.Config{Types: events.Types(), Lanes: 1, Waiting: 3})
		l.set(true)
		for i := range 10 {
			p.Tell(events.Event{Type: events.Connected, ClientID: fmt.Sprint("c", i)})
			synctest.Wait()
		}
		time.Sleep(30 * time.Second)
		l.set(false)
		time.Sleep(10 * time.Second)
		const topic = "$SYS/events/client/connected "
		l.want(t, topic+"c0  0", topic+"c1  0", topic+"c2  0", topic+"c3  0")
		l.set(true)
		p.Tell(events.Event{Type: events.Connected, ClientID: "never"})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if p.Close(ctx); time.Since(began) > 4*time.Second {
			t.Errorf("close took %v", time.Since(began))
		}
	})
}
