package push

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/metatest"
	"lmqgate/meta/push"
	"lmqgate/meta/topic"
)

// memory is a push.Store.
type memory struct {
	mu      sync.Mutex // protects the fields below
	rev     int64
	targets map[string]push.Target
	states  map[string]push.State
	leases  map[string]hold
	down    error // answers every call
}

type hold struct {
	owner string
	until time.Time
}

func newMemory() *memory {
	return &memory{targets: map[string]push.Target{}, states: map[string]push.State{}, leases: map[string]hold{}}
}

func (m *memory) Put(_ context.Context, t push.Target, e push.Expect, most int) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return 0, m.down
	}
	old, ok := m.targets[t.Name]
	live := ok && !old.Deleted
	switch {
	case e.Any:
	case e.Exists:
		if !live {
			return 0, push.ErrNotFound
		}
	case e.Rev == 0:
		if live {
			return 0, push.ErrChanged
		}
	case !ok:
		return 0, push.ErrNotFound
	case old.Rev != e.Rev:
		return 0, push.ErrChanged
	}
	if !ok && len(m.targets) >= most {
		return 0, push.ErrTooMany
	}
	m.rev++
	t.Rev = m.rev
	m.targets[t.Name] = t
	return m.rev, nil
}

func (m *memory) Remove(_ context.Context, name string, rev int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.targets[name]
	switch {
	case m.down != nil:
		return m.down
	case !ok:
		return nil
	case t.Rev != rev:
		return push.ErrChanged
	}
	m.rev++
	delete(m.targets, name)
	delete(m.states, name)
	return nil
}

func (m *memory) Get(_ context.Context, name string) (push.Target, push.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.targets[name]
	if m.down != nil || !ok {
		return push.Target{}, push.State{}, either(m.down, push.ErrNotFound)
	}
	return t, m.states[name], nil
}

func either(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func (m *memory) List(_ context.Context, seen int64) ([]push.Target, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil || seen == m.rev {
		return nil, seen, m.down
	}
	list := []push.Target{}
	for _, t := range m.targets {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b push.Target) int { return strings.Compare(a.Name, b.Name) })
	return list, m.rev, nil
}

func (m *memory) States(context.Context) (map[string]push.State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]push.State)
	for name, s := range m.states {
		all[name] = s
	}
	return all, m.down
}

func (m *memory) Report(_ context.Context, name string, s push.State) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.targets[name]; m.down != nil || !ok {
		return either(m.down, push.ErrNotFound)
	}
	old := m.states[name]
	s.Delivered, s.Failed, s.Dead = s.Delivered+old.Delivered, s.Failed+old.Failed, s.Dead+old.Dead
	if s.Rev < old.Rev || s.Rev == old.Rev && old.Stopped != "" && s.Stopped == "" {
		old.Delivered, old.Failed, old.Dead = s.Delivered, s.Failed, s.Dead
		s = old
	}
	m.states[name] = s
	return nil
}

func (m *memory) Lease(_ context.Context, names []string, owner string, ttl time.Duration) ([]bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return nil, m.down
	}
	mine := make([]bool, len(names))
	for i, name := range names {
		h, ok := m.leases[name]
		switch {
		case ok && h.owner != owner && time.Now().Before(h.until):
		case ttl <= 0:
			delete(m.leases, name)
		default:
			m.leases[name], mine[i] = hold{owner, time.Now().Add(ttl)}, true
		}
	}
	return mine, nil
}

func TestMemoryContract(t *testing.T) {
	metatest.Push(t, func(*testing.T) *metatest.PushBackend {
		m := newMemory()
		return &metatest.PushBackend{Open: func(*testing.T) push.Store { return m }, Pass: func(_ *testing.T, d time.Duration) { time.Sleep(d) }}
	})
}

// broker is a message.Reader over sessions, and message.Lanes into them.
type broker struct {
	mu        sync.Mutex // protects everything of the sessions too
	sessions  map[string]*sess
	n         int
	published []*message.Message
	refuse    func(*message.ReadRequest) error
}

type sess struct {
	filters []string
	list    []*message.Message // not acknowledged
	owner   *place
}

func newBroker() *broker { return &broker{sessions: make(map[string]*sess)} }

func (b *broker) say(name, payload string, change ...func(*message.Message)) {
	m := &message.Message{Topic: name, Payload: []byte(payload), QoS: 1, BornMillis: time.Now().UnixMilli()}
	for _, c := range change {
		c(m)
	}
	b.publish(m)
}

func (b *broker) publish(m *message.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.n++
	m.Key = "K" + strconv.Itoa(b.n)
	b.published = append(b.published, m)
	for _, s := range b.sessions {
		if slices.ContainsFunc(s.filters, func(f string) bool { return topic.Match(f, m.Topic) }) {
			s.list = append(s.list, m)
			if s.owner != nil {
				s.owner.wake()
			}
		}
	}
}

// NewLane implements message.Lanes.
func (b *broker) NewLane() message.Lane { return b }

// Publish implements message.Lane.
func (b *broker) Publish(p *message.Publication) {
	b.publish(p.Message)
	p.Done(message.Result{}, nil)
}

// left counts the messages of a session; -1: there is none.
func (b *broker) left(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sessions[SessionPrefix+name]; s != nil {
		return len(s.list)
	}
	return -1
}

func (b *broker) Open(_ context.Context, q message.ReadRequest) (message.Reading, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refuse != nil {
		if err := b.refuse(&q); err != nil {
			return nil, err
		}
	}
	s := b.sessions[q.Name]
	if s != nil && s.owner != nil {
		s.owner.finish(message.ErrTakenOver)
	}
	if s == nil || q.Clean {
		s = &sess{}
		b.sessions[q.Name] = s
	}
	s.filters = q.Filters
	p := &place{b: b, s: s, q: q, more: make(chan struct{}, 1), out: make(map[*message.Message]uint16)}
	s.owner = p
	p.wake()
	return p, nil
}

type place struct {
	b    *broker
	s    *sess
	q    message.ReadRequest
	more chan struct{}
	out  map[*message.Message]uint16
	next uint16
	why  error
}

func (p *place) wake() {
	select {
	case p.more <- struct{}{}:
	default:
	}
}

func (p *place) finish(err error) {
	p.why, p.s.owner = err, nil
	p.wake()
}

func (p *place) Next(ctx context.Context) (message.Arrival, error) {
	for {
		p.b.mu.Lock()
		if err := p.why; err != nil {
			p.b.mu.Unlock()
			return message.Arrival{}, err
		}
		for _, m := range p.s.list {
			if _, given := p.out[m]; !given && len(p.out) < p.q.Window {
				p.next++
				id := p.next
				p.out[m] = id
				p.b.mu.Unlock()
				return message.Arrival{Message: m, QoS: 1, ID: id}, nil
			}
		}
		p.b.mu.Unlock()
		select {
		case <-p.more:
		case <-ctx.Done():
			return message.Arrival{}, ctx.Err()
		}
	}
}

func (p *place) Ack(id uint16) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if p.why != nil {
		return
	}
	for m, n := range p.out {
		if n == id {
			delete(p.out, m)
			p.s.list = slices.DeleteFunc(p.s.list, func(o *message.Message) bool { return o == m })
			p.wake()
		}
	}
}

func (p *place) Position() message.Position { return "" }
func (p *place) Resumed() bool              { return true }

func (p *place) Close() error {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	if p.why == nil {
		p.finish(message.ErrGoing)
		if p.q.Expiry == 0 {
			delete(p.b.sessions, p.q.Name)
		}
	}
	return nil
}
