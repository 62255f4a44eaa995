package presence_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/packet"
	"lmqgate/adapter/presence"
)

// Events of a client keep their order, also over failures of every step; those of different clients go in parallel.
func TestOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(presence.Config{})
		r.log.away = 50
		want := map[string][]string{}
		for n := range 20 {
			for c := range 30 {
				id := fmt.Sprint("c", c)
				r.Online(client(id, n))
				r.Offline(client(id, n), packet.Success)
				want[id] = append(want[id], fmt.Sprint("CLIENT_CONNECT ", n), fmt.Sprint("CLIENT_DISCONNECT ", n))
			}
		}
		r.close(t)
		got := map[string][]string{}
		for _, event := range r.log.told(t) {
			id, rest, _ := strings.Cut(event, " ")
			got[id] = append(got[id], rest)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if r.log.failed != 50 || r.log.most < 4 || r.log.most > 16 {
			t.Errorf("%d attempts failed, %d sends at once at most", r.log.failed, r.log.most)
		}
		r.counts(t, 1200, 0, 0)
	})
}

// Every event has a key of its own, which stays when it is sent again, and its client's queue.
func TestKeys(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(presence.Config{Lanes: 1})
		r.Online(client("abc", 1))
		r.Swept("gw-2", []string{"abcd", "abc"})
		r.close(t)
		want := []string{"abc CLIENT_CONNECT 1", "abcd CLIENT_DISCONNECT 0", "abc CLIENT_DISCONNECT 0"}
		if diff := cmp.Diff(want, r.log.told(t)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		for i, o := range r.log.sent {
			if o.Key != fmt.Sprint("key", i+1) || o.Place.Topic != "%SYS_MQTT" || o.Place.Queue != []int{3, 4, 3}[i] || o.Tag != "CLIENT_EVENT" || len(o.Dispatch) != 2 {
				t.Errorf("sent %+v", o)
			}
		}
		r = newRig(presence.Config{Lanes: 1})
		r.log.away = 2 // a send, then a queue cannot be chosen
		r.Online(client("abc", 1))
		r.close(t)
		if r.log.keys != 1 || len(r.log.sent) != 1 || r.log.failed != 2 {
			t.Errorf("%d keys, %d sent, %d failed", r.log.keys, len(r.log.sent), r.log.failed)
		}
	})
}

// Beyond the bound events are dropped, never waited for.
func TestFull(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(presence.Config{Lanes: 1, Waiting: 10})
		r.log.set(func() { r.log.hold = true })
		r.Online(client("first", 1))
		synctest.Wait() // it is being sent
		for i := range 25 {
			r.Online(client(fmt.Sprint("c", i), 1))
		}
		r.counts(t, 0, 15, 0)
		r.log.set(func() { r.log.hold = false })
		r.close(t)
		r.counts(t, 11, 15, 0)
		if told := r.log.told(t); told[0] != "first CLIENT_CONNECT 1" || told[10] != "c9 CLIENT_CONNECT 1" {
			t.Errorf("told %q", told)
		}
		r.Online(client("late", 1))
		r.counts(t, 11, 16, 0)
		r.close(t) // a second time
	})
}

// What RocketMQ does not take within patience is given up, with one line in the log; afterwards all goes on.
func TestPatience(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var text bytes.Buffer
		r := newRig(presence.Config{Lanes: 1, Patience: 10 * time.Second, Logger: slog.New(slog.NewTextHandler(&text, nil))})
		r.log.set(func() { r.log.away = 1 << 30 })
		for i := range 5 {
			r.Online(client(fmt.Sprint("c", i), 1))
		}
		time.Sleep(9 * time.Second)
		r.counts(t, 0, 0, 0)
		time.Sleep(2 * time.Second)
		r.counts(t, 0, 0, 5)
		r.log.set(func() { r.log.away = 0 })
		r.Online(client("c9", 1))
		r.close(t)
		r.counts(t, 1, 0, 5)
		if n := strings.Count(text.String(), "given up"); n != 1 {
			t.Errorf("%d lines:\n%s", n, text.String())
		}
	})
}

// Close gives up when its time is over, and nothing runs any more.
func TestCloseGivesUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(presence.Config{Lanes: 2})
		r.log.set(func() { r.log.hold = true })
		for i := range 20 {
			r.Online(client(fmt.Sprint("c", i), 1))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := r.Close(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "20 events") {
			t.Errorf("Close = %v", err)
		}
		r.counts(t, 0, 0, 20)
	})
}
