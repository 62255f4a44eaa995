package client

import (
	"fmt"
	"sync"
	"time"

	"lmqgate/meta/message"
)

// fakeLog is where publications end up: in the order of a topic, one at a time, once each key.
type fakeLog struct {
	mu      sync.Mutex // protects the fields below
	keys    map[string]bool
	entries []string // topic and payload
	next    int
	waiting []func() // held publications

	held bool // publications wait for release
	// verdict says what becomes of one: the send takes so long and the message is stored, or not, when it ends; err is
	// then what Done is told. Nil: at once, stored.
	verdict func(m *message.Message) (took time.Duration, stores bool, err error)
}

func newFakeLog() *fakeLog { return &fakeLog{keys: map[string]bool{}} }

func (l *fakeLog) NewLane() message.Lane {
	return &fakeLane{log: l, topics: map[string][]*message.Publication{}}
}

// hold lets publications wait from here on; the function it returns lets all go, and those that come later.
func (l *fakeLog) hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = true
	return func() {
		l.mu.Lock()
		l.held = false
		waiting := l.waiting
		l.waiting = nil
		l.mu.Unlock()
		for _, fn := range waiting {
			fn()
		}
	}
}

func (l *fakeLog) stored() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.entries...)
}

type fakeLane struct {
	log *fakeLog

	mu     sync.Mutex // protects the map
	topics map[string][]*message.Publication
}

func (l *fakeLane) Publish(p *message.Publication) {
	m := p.Message
	if m.Key == "" {
		l.log.mu.Lock()
		l.log.next++
		m.Key = fmt.Sprint("key", l.log.next)
		l.log.mu.Unlock()
	}
	l.mu.Lock()
	line := append(l.topics[m.Topic], p)
	l.topics[m.Topic] = line
	first := len(line) == 1
	l.mu.Unlock()
	if first {
		l.begin(p)
	}
}

func (l *fakeLane) begin(p *message.Publication) {
	if p.Prepare == nil {
		l.enter(p)
		return
	}
	p.Prepare(p.Message.Key, message.Place{Topic: p.Message.Topic, Broker: "b", Queue: 1}, func(err error) {
		if err != nil {
			l.done(p, err)
			return
		}
		l.enter(p)
	})
}

func (l *fakeLane) enter(p *message.Publication) {
	l.log.mu.Lock()
	if l.log.held {
		l.log.waiting = append(l.log.waiting, func() { l.send(p) })
		l.log.mu.Unlock()
		return
	}
	l.log.mu.Unlock()
	l.send(p)
}

func (l *fakeLane) send(p *message.Publication) {
	m, log := p.Message, l.log
	if p.Repeat {
		log.mu.Lock()
		found := log.keys[m.Key]
		log.mu.Unlock()
		if found {
			l.done(p, nil)
			return
		}
	}
	if p.Abandoned != nil && p.Abandoned() {
		l.done(p, message.ErrAbandoned)
		return
	}
	var took time.Duration
	stores, err := true, error(nil)
	if log.verdict != nil {
		took, stores, err = log.verdict(m)
	}
	end := func() {
		if stores {
			log.mu.Lock()
			log.keys[m.Key] = true
			log.entries = append(log.entries, m.Topic+" "+string(m.Payload))
			log.mu.Unlock()
		}
		l.done(p, err)
	}
	if took == 0 {
		end()
		return
	}
	time.AfterFunc(took, end)
}

func (l *fakeLane) done(p *message.Publication, err error) {
	p.Done(message.Result{Key: p.Message.Key, Queues: 1}, err)
	l.mu.Lock()
	line := l.topics[p.Message.Topic][1:]
	l.topics[p.Message.Topic] = line
	l.mu.Unlock()
	if len(line) > 0 {
		l.begin(line[0])
	}
}
