package deliver

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// keptModel is what the model knows of retained messages. Time is the number of what has happened so far.
type keptModel struct {
	store  *fakeRetained
	now    int
	values map[string][]keptValue // by topic
	owed   map[string]*keptAsk    // by filter: the last SUBSCRIBE that asked, of a subscription that is there
	asks   []keptAsk              // all that may have asked
	got    map[string][]keptGot   // by topic
	newest map[string]int         // by topic: the highest number of a message that came
	live   map[string]int         // by topic: that of one that was retained and did not come as such
	copies map[string]bool        // payloads that came as retained ones
}

// keptValue is what was retained from some time on.
type keptValue struct {
	at     int
	number int // of the message among those of its topic; 0: nothing was retained
	qos    byte
}

type keptAsk struct {
	filter string
	at     int
	qos    byte // the least that the subscription had since
}

type keptGot struct {
	at  int
	qos byte
}

// retain has the run use retained messages.
func (m *modelRun) retain(store *fakeRetained, seed uint64) {
	k := &keptModel{
		store: store, values: map[string][]keptValue{}, owed: map[string]*keptAsk{}, got: map[string][]keptGot{},
		newest: map[string]int{}, live: map[string]int{}, copies: map[string]bool{},
	}
	m.kept = k
	var mu sync.Mutex // the store is asked by several goroutines
	r := rand.New(rand.NewPCG(seed, 2))
	store.trim = func() int {
		mu.Lock()
		defer mu.Unlock()
		if r.IntN(2) == 0 {
			return 100
		}
		return r.IntN(3)
	}
	m.client.seen = m.came
	for _, name := range []string{"t/x/1", "t/x/2", "u/x", "u/y", "z"} { // retained before anybody came
		m.setRetained(&message.Message{Topic: name, QoS: byte(r.IntN(3)), Payload: []byte(name + "#1"), Key: name})
	}
}

// setRetained makes a message the retained one, before it is in the log.
func (m *modelRun) setRetained(msg *message.Message) {
	k := m.kept
	k.now++
	_, number, _ := strings.Cut(string(msg.Payload), "#")
	n, _ := strconv.Atoi(number)
	k.values[msg.Topic] = append(k.values[msg.Topic], keptValue{k.now, n, msg.QoS})
	k.store.set(msg)
	if m.r.IntN(3) == 0 {
		time.Sleep(time.Duration(m.r.IntN(2000)) * time.Microsecond)
	}
}

func (m *modelRun) clearRetained() {
	name := modelTopics[m.r.IntN(len(modelTopics))]
	m.kept.now++
	m.kept.values[name] = append(m.kept.values[name], keptValue{at: m.kept.now})
	m.kept.store.set(&message.Message{Topic: name})
}

// asked notes what a SUBSCRIBE asked for; it is called before the model takes note of the subscriptions.
func (m *modelRun) asked(asks []session.Subscription, codes []packet.ReasonCode) {
	k := m.kept
	k.now++
	there := map[string]bool{}
	for f := range m.subs {
		there[f] = true
	}
	for i, a := range asks {
		fresh := !there[a.Filter]
		there[a.Filter] = true
		wants := a.RetainHandling == 0 || a.RetainHandling == 1 && fresh
		ask := keptAsk{a.Filter, k.now, a.QoS}
		switch old := k.owed[a.Filter]; {
		case codes[i].Failed():
			delete(k.owed, a.Filter)
			k.asks = append(k.asks, ask) // its outcome is not known, nor whether an earlier one is there
		case wants:
			k.asks = append(k.asks, ask)
			k.owed[a.Filter] = &ask
		case old != nil:
			old.qos = min(old.qos, a.QoS)
		}
		if o := k.owed[a.Filter]; o != nil {
			o.qos = min(o.qos, a.QoS)
		}
	}
}

// came looks at what the client accepts.
func (m *modelRun) came(p *packet.Publish) {
	k := m.kept
	payload := string(p.Payload)
	name, number, _ := strings.Cut(payload, "#")
	n, _ := strconv.Atoi(number)
	k.newest[name] = max(k.newest[name], n)
	if !p.Retain {
		if slices.ContainsFunc(k.values[name], func(v keptValue) bool { return v.number == n }) {
			k.live[name] = max(k.live[name], n)
		}
		return
	}
	k.got[name] = append(k.got[name], keptGot{k.now, p.QoS})
	if (!p.DUP || !k.copies[payload]) && n < k.live[name] {
		m.t.Errorf("retained %s came behind %s#%d", payload, name, k.live[name])
	}
	k.copies[payload] = true
}

func (m *modelRun) checkRetained() {
	k := m.kept
	for name, values := range k.values {
		m.checkCount(name)
		last := values[len(values)-1]
		for _, ask := range k.owed {
			if last.number == 0 || !topic.Match(ask.filter, name) {
				continue
			}
			owed, qos := owedSince(values, ask.at)
			sure := min(qos, ask.qos) > 0 || !m.k.breaks && !m.k.flaky // else it may have been lost with a connection
			if owed && sure && countSince(k.got[name], ask.at) == 0 {
				m.t.Errorf("%s, retained since %v, did not come for the SUBSCRIBE to %s at %d", name, values, ask.filter, ask.at)
			}
			if owed && sure && min(last.qos, ask.qos) > 0 && k.newest[name] < last.number {
				m.t.Errorf("%s#%d is retained, the client knows number %d", name, last.number, k.newest[name])
			}
		}
	}
}

// checkCount: for one SUBSCRIBE a topic comes once at most, unless QoS 0 or 1 and broken connections allow for more.
func (m *modelRun) checkCount(name string) {
	asks := 0
	for _, a := range m.kept.asks {
		if topic.Match(a.filter, name) {
			asks++
		}
	}
	n := 0
	for _, g := range m.kept.got[name] {
		if g.qos == 2 || !m.k.breaks && !m.k.flaky || asks == 0 {
			n++
		}
	}
	if n > asks {
		m.t.Errorf("retained %s came %d times, %d asked for it", name, n, asks)
	}
}

// owedSince reports whether something was retained all the time since, and the least QoS it had.
func owedSince(values []keptValue, since int) (owed bool, qos byte) {
	qos = 2
	for i, v := range values {
		switch {
		case i+1 < len(values) && values[i+1].at < since: // replaced before
		case v.number == 0:
			return false, 0
		default:
			owed = owed || v.at < since
			qos = min(qos, v.qos)
		}
	}
	return owed, qos
}

func countSince(got []keptGot, since int) (n int) {
	for _, g := range got {
		if g.at >= since {
			n++
		}
	}
	return n
}
