package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lmqgate/meta/message"
)

// fakeClients knows who has a session.
type fakeClients struct {
	known map[string]bool
	fail  atomic.Int32 // so many calls
	calls atomic.Int32
}

func (f *fakeClients) Known(_ context.Context, ids []string) ([]bool, error) {
	f.calls.Add(1)
	time.Sleep(time.Millisecond) // of a bubble
	if f.fail.Add(-1) >= 0 {
		return nil, errors.New("store is away")
	}
	known := make([]bool, len(ids))
	for i, id := range ids {
		known[i] = f.known[id]
	}
	return known, nil
}

// fakeMatcher answers with the filters of a topic; answer, if set, decides when and with what error.
type fakeMatcher struct {
	mu      sync.Mutex
	filters map[string][]string
	answer  func(topic string) (time.Duration, error) // delay 0: before Match returns
	asked   []string
}

// with runs fn while mu is held.
func (m *fakeMatcher) with(fn func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fn()
}

func (m *fakeMatcher) Match(topic string, done func([]string, error)) {
	m.mu.Lock()
	m.asked = append(m.asked, topic)
	var delay time.Duration
	var err error
	if m.answer != nil {
		delay, err = m.answer(topic)
	}
	filters := m.filters[topic]
	m.mu.Unlock()
	if err != nil {
		filters = nil
	}
	if delay == 0 {
		done(filters, err)
		return
	}
	time.AfterFunc(delay, func() { done(filters, err) })
}

// stored is one message in the fake's log.
type stored struct {
	Outgoing
	seq string // payload
}

// verdict is what becomes of one send: stored after store (never if negative), answered with err after answer (never if
// negative; before Send returns if 0).
type verdict struct {
	store, answer time.Duration
	err           error
}

// fakeProducer is a log with one broker for each Place.Broker, whose index has no lag of its own: it answers for what is
// stored at the end of the look-up.
type fakeProducer struct {
	t      *testing.T
	mu     sync.Mutex
	log    []stored
	sends  []Outgoing
	inSend map[string]int // by MQTT topic: sends not yet answered
	finds  []string
	picks  []string
	keys   int

	judge    func(o *Outgoing) verdict                      // nil: stored and acknowledged at once; mu is held
	findTime func() (time.Duration, error)                  // nil: at once; mu is held
	pick     func(topic, key string) (message.Place, error) // nil: queue 0 of broker-a
	tryPick  func(topic, key string) (message.Place, bool)  // nil: as pick
	budget   func(properties map[string]string) int         // nil: large
	slowPick func(ctx context.Context, topic string) error  // before Pick answers
	concurr  bool                                           // sends of one topic may be in flight together
}

func (p *fakeProducer) NewKey() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys++
	return fmt.Sprintf("%032d", p.keys)
}

func (p *fakeProducer) DispatchBudget(properties map[string]string) int {
	if p.budget == nil {
		return 1 << 20
	}
	return p.budget(properties)
}

func (p *fakeProducer) TryPick(topic, key string) (message.Place, bool) {
	if p.tryPick != nil {
		return p.tryPick(topic, key)
	}
	at, err := p.picked(topic, key)
	return at, err == nil
}

func (p *fakeProducer) Pick(ctx context.Context, topic, key string) (message.Place, error) {
	p.mu.Lock()
	p.picks = append(p.picks, topic)
	p.mu.Unlock()
	if p.slowPick != nil {
		if err := p.slowPick(ctx, topic); err != nil {
			return message.Place{}, err
		}
	}
	return p.picked(topic, key)
}

func (p *fakeProducer) picked(topic, key string) (message.Place, error) {
	if p.pick != nil {
		return p.pick(topic, key)
	}
	return message.Place{Topic: topic, Broker: "broker-a"}, nil
}

func (p *fakeProducer) Send(o *Outgoing, done func(error)) {
	name := o.Properties[message.PropTopic]
	p.mu.Lock()
	p.sends = append(p.sends, *o)
	if p.inSend == nil {
		p.inSend = make(map[string]int)
	}
	if p.inSend[name]++; p.inSend[name] > 1 && !p.concurr {
		p.t.Errorf("%d sends of topic %s in flight", p.inSend[name], name)
	}
	v := verdict{}
	if p.judge != nil {
		v = p.judge(o)
	}
	p.mu.Unlock()

	after(v.store, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.log = append(p.log, stored{*o, string(o.Body)})
	})
	after(v.answer, func() {
		p.mu.Lock()
		p.inSend[name]--
		p.mu.Unlock()
		done(v.err)
	})
}

func after(d time.Duration, fn func()) {
	switch {
	case d == 0:
		fn()
	case d > 0:
		time.AfterFunc(d, fn)
	}
}

func (p *fakeProducer) Find(ctx context.Context, broker, topic, key string, since time.Time) (bool, error) {
	p.mu.Lock()
	p.finds = append(p.finds, key)
	var lag time.Duration
	var err error
	if p.findTime != nil {
		lag, err = p.findTime()
	}
	p.mu.Unlock()
	if lag > 0 {
		select {
		case <-time.After(lag):
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	if err != nil {
		return false, err
	}
	if since.After(time.Now()) {
		p.t.Errorf("find since %v, in the future", since)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.log, func(s stored) bool {
		return s.Place.Broker == broker && s.Place.Topic == topic &&
			(s.Key == key || slices.Contains(strings.Fields(s.Properties["KEYS"]), key))
	}), nil
}

// with runs fn while mu is held.
func (p *fakeProducer) with(fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fn()
}

// logged returns what is stored so far.
func (p *fakeProducer) logged() []stored {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.log)
}

// sent returns all sends so far.
func (p *fakeProducer) sent() []Outgoing {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.sends)
}

// found returns the keys looked up so far.
func (p *fakeProducer) found() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.finds)
}

// bodies returns the payloads in the log of one MQTT topic.
func (p *fakeProducer) bodies(name string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, s := range p.log {
		if s.Properties[message.PropTopic] == name {
			out = append(out, s.seq)
		}
	}
	return out
}

// result is what Done got.
type result struct {
	message.Result
	err error
}

// put publishes and returns where the result will be.
func put(l message.Lane, topic, payload string, qos byte, with ...func(*message.Publication)) chan result {
	done := make(chan result, 2) // room to see a second call
	p := &message.Publication{
		Message: &message.Message{Topic: topic, Payload: []byte(payload), QoS: qos},
		Done:    func(r message.Result, err error) { done <- result{r, err} },
	}
	for _, fn := range with {
		fn(p)
	}
	l.Publish(p)
	return done
}

// want takes a result that must be there within the test's virtual time.
func want(t *testing.T, done chan result, target error) result {
	t.Helper()
	select {
	case r := <-done:
		if !errors.Is(r.err, target) {
			t.Fatalf("done with %v, want %v", r.err, target)
		}
		return r
	case <-time.After(time.Hour):
		t.Fatal("never done")
		return result{}
	}
}

func pending(t *testing.T, done chan result) {
	t.Helper()
	select {
	case r := <-done:
		t.Fatalf("done already: %v", r.err)
	default:
	}
}

func closed(t *testing.T, d *Dispatcher) {
	t.Helper()
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
