package presence_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/packet"
	"lmqgate/adapter/presence"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

var errAway = errors.New("away")

// log is a RocketMQ and a registry.
type log struct {
	mu     sync.Mutex // protects all below
	sent   []*presence.Outgoing
	keys   int
	hold   bool // sends get no answer
	away   int  // so many attempts fail, at a place of their own: matching, choosing a queue, sending
	failed int
	under  int // sends at this moment
	most   int
}

// fails says whether the next step is to fail.
func (l *log) fails(step int) bool {
	if l.away == 0 || l.away%3 != step {
		return false
	}
	l.away--
	l.failed++
	return true
}

func (l *log) Match(_ string, done func([]string, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails(0) {
		done(nil, errAway)
		return
	}
	done([]string{"%SYS_MQTT/#"}, nil)
}

func (l *log) Pick(_ context.Context, topic, key string) (message.Place, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fails(1) {
		return message.Place{}, errAway
	}
	return message.Place{Topic: topic, Broker: "b", Queue: len(key)}, nil
}

func (l *log) Send(o *presence.Outgoing, done func(error)) {
	l.mu.Lock()
	if l.hold {
		l.mu.Unlock()
		return
	}
	err := error(nil)
	if l.fails(2) {
		err = errAway
	}
	l.under++
	l.most = max(l.most, l.under)
	l.mu.Unlock()
	time.AfterFunc(time.Millisecond, func() {
		l.mu.Lock()
		l.under--
		if err == nil {
			l.sent = append(l.sent, o)
		}
		l.mu.Unlock()
		done(err)
	})
}

func (l *log) NewKey() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys++
	return fmt.Sprint("key", l.keys)
}

func (l *log) set(fn func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn()
}

// told are the events in the order of the log, as "client type epoch".
func (l *log) told(t *testing.T) []string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, o := range l.sent {
		var b struct {
			ClientID, EventType string
			Epoch               uint64
		}
		if err := json.Unmarshal(o.Body, &b); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprint(b.ClientID, " ", b.EventType, " ", b.Epoch))
	}
	return out
}

// rig is Events on a log.
type rig struct {
	*presence.Events
	log *log
	reg *prometheus.Registry
}

func newRig(cfg presence.Config) *rig {
	r := &rig{log: &log{}, reg: prometheus.NewRegistry()}
	cfg.Instance, cfg.Registerer = "gw", r.reg
	r.Events = presence.New(r.log, r.log, cfg)
	return r
}

func (r *rig) close(t *testing.T) {
	t.Helper()
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func (r *rig) counts(t *testing.T, sent, dropped, failed int) {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int{}
	for _, m := range families[0].GetMetric() {
		got[m.GetLabel()[0].GetValue()] = int(m.GetCounter().GetValue())
	}
	if got["sent"] != sent || got["dropped"] != dropped || got["failed"] != failed {
		t.Errorf("counted %v, want %d sent, %d dropped, %d failed", got, sent, dropped, failed)
	}
}

func client(id string, epoch int) presence.Info {
	return presence.Info{ClientID: id, Epoch: session.Epoch(epoch), Version: packet.V5, At: time.Now()}
}

// inBubble runs a test on a clock of its own.
func inBubble(t *testing.T, fn func(t *testing.T)) { synctest.Test(t, fn) }
