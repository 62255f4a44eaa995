package will_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/will"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

var errDead = errors.New("the process is dead")

// vault is what the store keeps, by the rules of session.Wills. The clock is that of the bubble.
type vault struct {
	mu     sync.Mutex // protects all below
	wills  map[string]*entry
	claims int
	calls  map[string]int // of PlaceWill and WillsDone
	now    int            // calls of PlaceWill under way
	most   int
}

type entry struct {
	m      *message.Message
	claim  string
	till   time.Time
	placed *message.Place
	since  time.Time
}

func newVault(n int) *vault {
	v := &vault{wills: make(map[string]*entry), calls: make(map[string]int)}
	for i := range n {
		id := strconv.Itoa(i)
		v.wills[id] = &entry{m: &message.Message{
			Topic: "t/" + id, Payload: []byte("gone"), QoS: 1, Key: "K" + id, Publisher: "c" + id, BornMillis: 1,
			Properties: message.Properties{Expiry: 5, HasExpiry: true},
		}}
	}
	return v
}

// due claims what is due.
func (v *vault) due() []session.DueWill {
	v.mu.Lock()
	defer v.mu.Unlock()
	var all []session.DueWill
	for id, e := range v.wills {
		if e.till.After(time.Now()) {
			continue
		}
		v.claims++
		e.claim, e.till = strconv.Itoa(v.claims), time.Now().Add(session.ClaimTime)
		w := session.DueWill{ClientID: "c" + id, ID: id, Claim: e.claim, Message: e.m}
		if e.placed != nil {
			p := *e.placed
			w.Repeat, w.Since, w.Place = true, e.since, &p
		}
		all = append(all, w)
	}
	return all
}

func (v *vault) place(w session.DueWill, p message.Place) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls["place"]++
	e := v.wills[w.ID]
	if e == nil || e.claim != w.Claim {
		return fmt.Errorf("place: %w", session.ErrFenced)
	}
	if e.placed == nil {
		e.since = time.Now()
	}
	e.placed, e.till = &p, time.Now().Add(session.ClaimTime)
	return nil
}

func (v *vault) forget(wills []session.DueWill) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls["done"]++
	for _, w := range wills {
		if e := v.wills[w.ID]; e != nil && e.claim == w.Claim {
			delete(v.wills, w.ID)
		}
	}
}

func (v *vault) left() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.wills)
}

func (v *vault) called(what string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls[what]
}

// book is the message log.
type book struct {
	mu     sync.Mutex // protects all below
	stored map[string][]message.Message
}

func (b *book) store(m *message.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stored == nil {
		b.stored = make(map[string][]message.Message)
	}
	b.stored[m.Key] = append(b.stored[m.Key], *m)
}

func (b *book) has(key string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.stored[key])
}

// process is one instance: a publisher between a vault and a book. Something may happen to it at one of its steps.
type process struct {
	publisher *will.Publisher
	vault     *vault
	book      *book

	mu      sync.Mutex // protects all below
	at      string     // the step at which it happens
	pause   time.Duration
	crash   bool
	dead    bool
	resumes time.Time
	down    bool // the store does not answer
	fail    func(*message.Publication) error
	delay   time.Duration // how long a publication takes before it is sent
	under   int           // publications under way
	most    int
	release chan struct{} // lets the goroutines of a dead process end
}

func start(t *testing.T, v *vault, b *book, cfg will.Config) *process {
	p := &process{vault: v, book: b, release: make(chan struct{})}
	p.publisher = will.New(p, p, cfg)
	return p
}

// end joins everything; what the process still wanted to do it does not.
func (p *process) end(t *testing.T) {
	t.Helper()
	p.mu.Lock()
	p.dead = true
	p.mu.Unlock()
	close(p.release)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = p.publisher.Close(ctx)
	synctest.Wait()
}

// step passes a step: the whole process may stop there for a while, or for good.
func (p *process) step(name string) error {
	p.mu.Lock()
	here := p.at == name
	if here {
		p.at = ""
		p.dead = p.crash
		p.resumes = time.Now().Add(p.pause)
	}
	dead, sleep := p.dead, time.Until(p.resumes)
	p.mu.Unlock()
	if name == "send" && !here && !dead {
		return nil // at the very moment between the last look at the fence and the send, only what asks for it stops
	}
	if dead {
		<-p.release
		return errDead
	}
	if sleep > 0 {
		time.Sleep(sleep)
	}
	return nil
}

func (p *process) PlaceWill(ctx context.Context, w session.DueWill, place message.Place) error {
	v := p.vault
	v.mu.Lock()
	v.now++
	v.most = max(v.most, v.now)
	v.mu.Unlock()
	defer func() {
		v.mu.Lock()
		v.now--
		v.mu.Unlock()
	}()
	if err := p.step("place"); err != nil {
		return err
	}
	p.mu.Lock()
	down := p.down
	p.mu.Unlock()
	if down {
		<-ctx.Done()
		return ctx.Err()
	}
	time.Sleep(time.Millisecond)
	err := v.place(w, place)
	if e := p.step("placed"); e != nil {
		return e
	}
	return err
}

func (p *process) WillsDone(ctx context.Context, wills []session.DueWill) error {
	if err := p.step("done"); err != nil {
		return err
	}
	time.Sleep(time.Millisecond)
	p.vault.forget(wills)
	return p.step("forgotten")
}

func (p *process) NewLane() message.Lane { return p }

// Publish is a lane: it names a place, looks up repeats, and sends.
func (p *process) Publish(pub *message.Publication) {
	p.mu.Lock()
	fail, delay := p.fail, p.delay
	p.under++
	p.most = max(p.most, p.under)
	p.mu.Unlock()
	done := func(err error) {
		p.mu.Lock()
		p.under--
		p.mu.Unlock()
		pub.Done(message.Result{Key: pub.Message.Key}, err)
	}
	if fail != nil {
		if err := fail(pub); err != nil {
			done(err)
			return
		}
	}
	go func() { done(p.publish(pub, delay)) }()
}

func (p *process) publish(pub *message.Publication, delay time.Duration) error {
	place := message.Place{Topic: "t", Broker: "b", Queue: 2}
	if pub.Place != nil {
		place = *pub.Place
	}
	ready := make(chan error, 1)
	pub.Prepare(pub.Message.Key, place, func(err error) { ready <- err })
	if err := <-ready; err != nil {
		return err
	}
	time.Sleep(delay)
	if pub.Repeat {
		if err := p.step("look up"); err != nil {
			return err
		}
		if p.book.has(pub.Message.Key) > 0 {
			return nil
		}
	}
	if err := p.step("ready"); err != nil {
		return err
	}
	if pub.Abandoned() {
		return message.ErrAbandoned
	}
	if err := p.step("send"); err != nil {
		return err
	}
	p.book.store(pub.Message)
	return p.step("sent")
}
