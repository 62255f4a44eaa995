package deliver

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run the model with this seed only")
	seedsFlag = flag.Int("seeds", 60, "number of seeds per kind of run")
)

// kind is what may happen in a run of the model.
type kind struct {
	name    string
	breaks  bool // connections end and come back
	crashes bool // connections break, sessions move to the other instance, unwritten changes get lost
	resets  bool // queues are renumbered from 0
	rolls   bool // brokers lose their last messages, and get others
	overlap bool // several subscriptions match
	parts   bool // messages are split
	flaky   bool // pulls and writes fail now and then, brokers go and come
	retains bool // messages are retained, and subscriptions ask for them
}

// TestModel lets a client subscribe, read, acknowledge, break and come back at random, and holds what it got against
// what it was promised.
func TestModel(t *testing.T) {
	for _, k := range []kind{
		{name: "steady"},
		{name: "overlap", overlap: true},
		{name: "parts", overlap: true, parts: true},
		{name: "reconnects", breaks: true, overlap: true},
		{name: "crashes", breaks: true, crashes: true},
		{name: "crashes and overlap", breaks: true, crashes: true, overlap: true},
		{name: "flaky", flaky: true, overlap: true},
		{name: "flaky and crashes", flaky: true, breaks: true, crashes: true, overlap: true},
		{name: "resets", resets: true},
		{name: "rollbacks", rolls: true, flaky: true},
		{name: "rollbacks and overlap", rolls: true, overlap: true, flaky: true},
		{name: "rollbacks and crashes", rolls: true, breaks: true, crashes: true},
		{name: "retained", retains: true},
		{name: "retained and overlap", retains: true, overlap: true},
		{name: "retained and crashes", retains: true, overlap: true, breaks: true, crashes: true},
		{name: "retained and flaky", retains: true, overlap: true, flaky: true},
		{name: "everything", breaks: true, crashes: true, overlap: true, parts: true, flaky: true, retains: true},
	} {
		t.Run(k.name, func(t *testing.T) {
			seeds := *seedsFlag
			if testing.Short() {
				seeds = 5
			}
			for i := range seeds {
				seed := uint64(i) + 1
				if *seedFlag != 0 {
					seed = *seedFlag
				}
				t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { runModel(t, k, seed) })
				if *seedFlag != 0 {
					return
				}
			}
		})
	}
}

// promised is one message and what is owed of it.
type promised struct {
	key     string // UNIQ_KEY
	topic   string
	qos     byte
	at      int             // number of the publication
	by      map[uint64]byte // subscriptions that promised it, by their number: the least QoS they had since
	once    bool            // all of them had QoS 2 all the time
	shaky   bool            // something happened that allows for a second copy
	matched int
}

// owed is a granted subscription.
type owed struct {
	number uint64
	qos    byte
}

type modelRun struct {
	t        *testing.T
	k        kind
	r        *rand.Rand
	w        *world
	client   *client
	conn     *conn
	at       int // instance
	subs     map[string]*owed
	numbers  uint64
	messages map[string]*promised
	names    []string
	shaky    bool
	down     string
	opt      Options
	lastSeq  map[string]int
	kept     *keptModel // nil: nothing is retained
}

var (
	modelTopics  = []string{"t/a", "t/b", "u", "u/a"}
	modelFilters = []string{"t/a", "t/+", "#", "t/a/", "u/#", "+/a", "u", "t/b"}
	single       = []string{"t/a", "u", "t/b"} // none matches what another does
)

func runModel(t *testing.T, k kind, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	cfg := Config{
		RingMessages: 1 + r.IntN(20), PullMax: 1 + r.IntN(8), Window: 1 + r.IntN(12), CatchUps: 1 + r.IntN(3),
		TotalBytes: int64(1 + r.IntN(20000)),
	}
	made := func() (Config, *fakeRetained) {
		if !k.retains {
			return cfg, nil
		}
		cfg.Walks, cfg.WalkPage, cfg.WalkBytes = 1+r.IntN(3), 1+r.IntN(8), 20+r.IntN(400)
		store := newFakeRetained()
		cfg.Retained = store
		return cfg, store
	}
	inWorldWith(t, made, func(t *testing.T, w *world, retained *fakeRetained) {
		m := &modelRun{
			t: t, k: k, r: r, w: w, subs: map[string]*owed{}, messages: map[string]*promised{}, lastSeq: map[string]int{},
			opt: Options{Persistent: true, ReceiveMaximum: 1 + r.IntN(12)},
		}
		w.log.lag = time.Duration(r.IntN(3)) * time.Millisecond
		w.log.appear("b")
		version := packet.V5
		if r.IntN(2) == 0 {
			version = packet.V311
		}
		m.client = newClient(t, version, m.opt.ReceiveMaximum)
		if retained != nil {
			m.retain(retained, seed)
		}
		if k.flaky {
			var mu sync.Mutex // log and store are asked by several goroutines
			n := uint32(seed) + 1
			next := func() uint32 {
				mu.Lock()
				defer mu.Unlock()
				n = n*1664525 + 1013904223
				return n >> 24
			}
			w.log.flaky = func() bool { return next() < 25 }
			w.store.fail = func(session.Change) (bool, bool) {
				v := next()
				return v < 20, v > 235
			}
			if retained != nil {
				retained.fail = func() error {
					if next() < 50 {
						return errNoRoute
					}
					return nil
				}
			}
		}
		m.connect()
		steps := 150 + r.IntN(150)
		for range steps {
			m.step()
		}
		m.calm()
		m.quiesce(30)
		m.check()
		if t.Failed() {
			t.Logf("seed %d, window %d, pull %d, ring %d, receive maximum %d", seed, cfg.Window, cfg.PullMax, cfg.RingMessages, m.opt.ReceiveMaximum)
		}
	})
}

func (m *modelRun) connect() {
	link := m.w.link()
	link.version = m.client.version
	m.client.connected()
	m.conn = m.w.instances[m.at].connect("c", m.opt, link)
}

func (m *modelRun) step() {
	if m.conn.link.isClosed() { // the store did not answer for long
		m.breakOff()
	}
	switch n := m.r.IntN(100); {
	case n < 8:
		m.subscribe()
	case n < 11:
		m.unsubscribe()
	case n < 45:
		for range 1 + m.r.IntN(6) {
			m.publish()
		}
	case n < 60:
		m.client.look(m.conn.link)
	case n < 80:
		for range 1 + m.r.IntN(4) {
			m.client.look(m.conn.link)
			if n := len(m.client.owing); n > 0 {
				m.client.answer(m.conn, m.r.IntN(n))
			}
		}
	case n < 84:
		if m.conn.link.drain(m.r.IntN(2) == 0) {
			m.conn.Wake()
		}
	case n < 88 && m.k.breaks:
		m.breakOff()
	case n < 90:
		m.fault()
	case n < 92 && m.kept != nil:
		m.clearRetained()
	default:
		time.Sleep(time.Duration(m.r.IntN(30)) * time.Millisecond)
	}
	if m.r.IntN(3) == 0 {
		time.Sleep(time.Duration(m.r.IntN(3000)) * time.Microsecond)
	}
}

func (m *modelRun) filter() string {
	if m.k.overlap {
		return modelFilters[m.r.IntN(len(modelFilters))]
	}
	return single[m.r.IntN(len(single))]
}

func (m *modelRun) subscribe() {
	var asks []session.Subscription
	for range 1 + m.r.IntN(2) {
		f := m.filter()
		if m.subs[f] != nil && m.r.IntN(4) > 0 {
			continue // seldom again
		}
		ask := session.Subscription{Filter: f, QoS: byte(m.r.IntN(3)), ID: uint32(1 + m.r.IntN(5))}
		if m.kept != nil {
			ask.RetainHandling = byte(m.r.IntN(3))
		}
		asks = append(asks, ask)
	}
	if len(asks) == 0 {
		return
	}
	codes := m.conn.Subscribe(context.Background(), asks)
	if m.kept != nil {
		m.asked(asks, codes)
		if m.k.breaks && m.r.IntN(8) == 0 {
			defer m.breakOff()
		} else {
			defer m.conn.Retained()
		}
	}
	for i, code := range codes {
		f, old := asks[i].Filter, m.subs[asks[i].Filter]
		if code.Failed() { // what is kept of it is not known: let it be taken back
			delete(m.subs, f)
			if old != nil {
				m.withdraw(old.number)
			}
			m.markShaky(f)
			continue
		}
		if old == nil {
			m.numbers++
			old = &owed{number: m.numbers}
			m.subs[f] = old
		}
		old.qos = asks[i].QoS
		for _, p := range m.messages {
			if q, ok := p.by[old.number]; ok {
				p.by[old.number] = min(q, old.qos)
				p.once = p.once && old.qos == 2
			}
		}
	}
}

func (m *modelRun) unsubscribe() {
	f := m.filter()
	if sub := m.subs[f]; sub != nil {
		m.withdraw(sub.number)
		delete(m.subs, f)
	}
	if m.kept != nil {
		delete(m.kept.owed, f)
	}
	m.conn.Unsubscribe(context.Background(), []string{f})
}

// withdraw takes a subscription's promises back.
func (m *modelRun) withdraw(number uint64) {
	for _, p := range m.messages {
		delete(p.by, number)
	}
}

// markShaky allows second copies of what matches the filter.
func (m *modelRun) markShaky(filter string) {
	for _, p := range m.messages {
		p.shaky = p.shaky || topic.Match(filter, p.topic)
	}
}

func (m *modelRun) publish() {
	name := modelTopics[m.r.IntN(len(modelTopics))]
	m.lastSeq[name]++
	p := &promised{topic: name, qos: byte(m.r.IntN(3)), at: len(m.names), by: map[uint64]byte{}, once: true, shaky: m.shaky}
	payload := fmt.Sprintf("%s#%d", name, m.lastSeq[name])
	broker := "a"
	if strings.HasPrefix(name, "u") {
		broker = "b"
	}
	if broker == m.down {
		return // nobody could
	}
	for f, sub := range m.subs {
		if topic.Match(f, name) {
			p.matched++
			p.by[sub.number] = sub.qos
			p.once = p.once && sub.qos == 2
		}
	}
	p.once = p.once && p.qos == 2
	m.messages[payload] = p
	m.names = append(m.names, payload)
	msg := m.w.message(name, p.qos, payload)
	p.key = msg.Key
	msg.BornMillis = time.Now().UnixMilli()
	msg.Properties = message.Properties{HasExpiry: true, Expiry: 100_000}
	if m.kept != nil && m.r.IntN(2) == 0 {
		m.setRetained(msg)
	}
	publish(m.w.log, m.w.reg, broker, msg, m.k.parts && m.r.IntN(2) == 0)
}

// breakOff ends the connection, cleanly or not, and connects again.
func (m *modelRun) breakOff() {
	old := m.conn
	switch {
	case m.k.crashes && m.r.IntN(3) > 0:
		m.w.crash(old)
		m.at = 1 - m.at
	case m.r.IntN(2) == 0: // taken over with the old connection still there
		old.link.lose()
		if m.k.crashes {
			m.at = 1 - m.at
		}
	default:
		old.link.lose()
		old.end()
	}
	m.connect()
}

func (m *modelRun) fault() {
	broker := []string{"a", "b"}[m.r.IntN(2)]
	switch {
	case m.k.flaky && m.r.IntN(2) == 0:
		if m.down != "" {
			m.w.log.setDown(m.down, false)
			m.down = ""
			return
		}
		m.down = broker
		m.w.log.setDown(broker, true)
	case m.k.rolls:
		if m.k.overlap || m.r.IntN(2) == 0 { // else who has seen the loss may rely on who has not, who then goes away
			m.quiesce(15)
		}
		gap := 50 * time.Millisecond // what the broker has from here on is no older
		if m.k.breaks {
			gap += beginSpread * time.Millisecond // a session that comes back may know no message, only when it subscribed
		}
		time.Sleep(gap)
		lost := m.w.log.rollBack(broker, 1+m.r.IntN(10))
		m.shaky = true
		for _, p := range m.messages {
			p.shaky = true
			if lost[p.key] {
				p.by = nil
			}
		}
		if m.k.overlap { // everybody has seen the loss
			time.Sleep(3 * time.Second)
			return
		}
		time.Sleep(time.Duration(m.r.IntN(30)) * time.Millisecond)
		for range m.r.IntN(20) { // it may grow beyond where it was before anybody looks
			m.publish()
		}
		if m.k.crashes {
			// A message in flight that is acknowledged on a second connection, before that one has read so far, leaves an
			// offset alone, should that connection break off at once too.
			m.quiesce(1)
		}
	case m.k.resets:
		// All messages of one queue get new numbers. Which of them were done is known only to a session that saw them
		// on this connection.
		time.Sleep(10 * time.Millisecond)
		f := m.filter()
		m.w.log.renumber(broker, topic.LMQ(f), 1<<30)
		m.shaky = true
		for _, p := range m.messages {
			p.shaky = true
		}
	}
}

// calm ends all faults.
func (m *modelRun) calm() {
	if m.down != "" {
		m.w.log.setDown(m.down, false)
		m.down = ""
	}
	m.w.log.mu.Lock()
	m.w.log.flaky = nil
	m.w.log.mu.Unlock()
	m.w.store.mu.Lock()
	m.w.store.fail = nil
	m.w.store.mu.Unlock()
	if m.kept != nil {
		m.kept.store.failing(nil)
	}
}

// quiesce lets the client read and answer until nothing has happened for some seconds.
func (m *modelRun) quiesce(seconds int) {
	if m.down != "" {
		m.w.log.setDown(m.down, false)
		m.down = ""
	}
	for idle, rounds := 0, 0; idle < 20*seconds; rounds++ {
		if rounds > 20_000 {
			m.t.Fatal("it does not come to rest")
		}
		if m.conn.link.isClosed() {
			m.breakOff()
		}
		if m.conn.link.drain(false) {
			m.conn.Wake()
		}
		if idle++; m.client.finish(m.conn, m.conn.link) {
			idle = 0
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (m *modelRun) check() {
	m.w.wantDone("c")
	if m.kept != nil {
		m.w.wantWalked(m.conn)
		m.checkRetained()
	}
	for _, payload := range m.names {
		p, n := m.messages[payload], m.client.got[payload]
		least := byte(0)
		for _, q := range p.by {
			least = max(least, q)
		}
		switch {
		case n == 0 && min(least, p.qos) > 0:
			m.t.Errorf("%s, QoS %d, promised by %v, was lost", payload, p.qos, p.by)
		case n > 1 && (p.shaky || m.k.parts && m.k.breaks): // which parts were delivered is not kept
		case n > 1 && p.once && len(p.by) == p.matched:
			m.t.Errorf("%s, QoS 2, came %d times", payload, n)
		case n > 1 && !m.k.breaks && !m.k.flaky && !m.k.parts && len(p.by) == p.matched && p.qos > 0:
			m.t.Errorf("%s came %d times and nothing broke", payload, n)
		}
	}
	m.checkOrder()
}

// checkOrder: first deliveries of one topic and QoS come in the order of their publication.
func (m *modelRun) checkOrder() {
	if m.k.resets || m.k.rolls || m.k.parts { // parts of a message stand in queues without a common order
		return
	}
	last := map[string]int{}
	for _, p := range m.client.order {
		if p.QoS == 0 && m.k.breaks { // one that got lost with a connection may come by another subscription
			continue
		}
		msg := m.messages[string(p.Payload)]
		if len(msg.by) < msg.matched { // not promised all the time, or only by a subscription that goes by store time
			continue
		}
		key := fmt.Sprint(msg.topic, msg.qos, p.QoS)
		if msg.at < last[key] {
			m.t.Errorf("%s came behind %s", p.Payload, m.names[last[key]])
		}
		last[key] = msg.at
	}
}
