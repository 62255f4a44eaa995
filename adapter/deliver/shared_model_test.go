package deliver

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// sharedKind is what may happen in a run of the model of a group.
type sharedKind struct {
	name    string
	qos     byte // of messages and subscriptions; 3 = any
	clean   bool // some sessions end with their connections
	breaks  bool // connections end, by a goodbye or a crash of which nothing is written
	parts   bool // members unsubscribe and subscribe again
	slow    bool // links fill up
	flaky   bool // calls fail, with and without effect
	kills   bool // an instance dies
	brokers int
}

// TestSharedModel lets members of a group come, go, crash and dawdle at random: each message that was published while the
// group had a member comes to one, with QoS 2 and no broken call to no more than one.
func TestSharedModel(t *testing.T) {
	for _, k := range []sharedKind{
		{name: "steady", qos: 3},
		{name: "QoS 1", qos: 1, clean: true, breaks: true, parts: true, slow: true, brokers: 2},
		{name: "QoS 2", qos: 2, breaks: true, slow: true},
		{name: "QoS 2 parts", qos: 2, breaks: true, parts: true, slow: true, brokers: 2},
		{name: "flaky QoS 1", qos: 1, clean: true, breaks: true, parts: true, slow: true, flaky: true},
		{name: "flaky QoS 2", qos: 2, breaks: true, slow: true, flaky: true},
		{name: "kills QoS 2", qos: 2, breaks: true, slow: true, kills: true, brokers: 2},
		{name: "kills", qos: 1, clean: true, breaks: true, slow: true, kills: true, brokers: 2},
		{name: "everything", qos: 3, clean: true, breaks: true, parts: true, slow: true, flaky: true, kills: true, brokers: 2},
	} {
		t.Run(k.name, func(t *testing.T) {
			seeds := *seedsFlag / 2
			if testing.Short() {
				seeds = 3
			}
			for i := range max(seeds, 1) {
				seed := uint64(i) + 1
				if *seedFlag != 0 {
					seed = *seedFlag
				}
				t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
					inShared(t, Config{Window: 8}, func(t *testing.T, w *sharedWorld) {
						m := &sharedModel{t: t, w: w, k: k, random: rand.New(rand.NewPCG(seed, 9)), owed: map[string]string{}, all: map[string]int{}}
						m.run()
					})
				})
				if *seedFlag != 0 {
					return
				}
			}
		})
	}
}

const modelFilter = "$share/g/t/+"

type sharedModel struct {
	t       *testing.T
	w       *sharedWorld
	k       sharedKind
	random  *rand.Rand
	members []*sharedMember
	number  int
	owed    map[string]string // payload -> the life in which it was published with QoS 1 or 2
	all     map[string]int    // what applications got, by payload
}

// sharedMember is one client over its connections.
type sharedMember struct {
	m      *sharedModel
	id     string
	clean  bool
	conn   *conn
	client *client
	on     int  // instance
	member bool // SUBACK came and no UNSUBSCRIBE was sent
}

func (m *sharedModel) chance(percent int) bool { return m.random.IntN(100) < percent }

func (m *sharedModel) run() {
	for i := 1; i < m.k.brokers; i++ {
		m.w.log.appear(string(rune('a' + i)))
	}
	for i := range 4 {
		c := &sharedMember{m: m, id: fmt.Sprint("c", i), clean: m.k.clean && i%2 == 1}
		m.members = append(m.members, c)
		c.connect()
		c.subscribe()
	}
	if m.k.flaky {
		random := rand.New(rand.NewPCG(m.random.Uint64(), 1))
		m.w.log.mu.Lock()
		m.w.pops.flaky = func() bool { return random.IntN(100) < 12 } // drawn under the log's lock
		m.w.log.mu.Unlock()
	}
	for range 250 {
		m.step()
	}
	m.finish()
}

func (m *sharedModel) step() {
	switch n := m.random.IntN(10); {
	case n < 4:
		m.publish()
	case n < 9:
		m.members[m.random.IntN(len(m.members))].act()
	case m.chance(5) && m.k.kills && len(m.w.instances) < 4:
		m.kill()
	default:
		time.Sleep(time.Duration(m.random.IntN(3000)) * time.Millisecond)
	}
	time.Sleep(time.Duration(m.random.IntN(20)) * time.Millisecond)
}

func (m *sharedModel) publish() {
	for range 1 + m.random.IntN(5) {
		m.number++
		p := fmt.Sprint(m.number)
		qos := m.k.qos
		if qos == 3 {
			qos = byte(m.random.IntN(3))
		}
		if life := m.life(); life != "" && qos > 0 {
			m.owed[p] = life
		}
		brokers := m.w.log.Brokers()
		publish(m.w.log, m.w.reg, brokers[m.random.IntN(len(brokers))], m.w.message("t/1", qos, p), false)
	}
}

// life is the token of the group's life, "" if no SUBACK was given in it.
func (m *sharedModel) life() string {
	promised := false
	for _, c := range m.members {
		promised = promised || c.member
	}
	m.w.reg.mu.Lock()
	defer m.w.reg.mu.Unlock()
	if l := m.w.reg.lives[modelFilter]; promised && l != nil {
		return l.Token
	}
	return ""
}

// kill lets an instance die; another one takes its place.
func (m *sharedModel) kill() {
	i := m.members[0].on
	m.w.kill(i)
	m.w.startShared(Config{Window: 8})
	for _, c := range m.members {
		if c.on == i && c.conn != nil {
			c.gone()
		}
	}
}

// alive is an instance that lives.
func (m *sharedModel) alive() int {
	for {
		i := m.random.IntN(len(m.w.instances))
		m.w.log.mu.Lock()
		dead := m.w.views[i].dead
		m.w.log.mu.Unlock()
		if !dead {
			return i
		}
	}
}

func (c *sharedMember) connect() {
	c.on = c.m.alive()
	c.conn = c.m.w.instances[c.on].connect(c.id, Options{Persistent: !c.clean}, c.m.w.link())
	if c.client == nil {
		c.client = newClient(c.m.t, packet.V5, 8)
	}
	c.client.connected()
}

func (c *sharedMember) subscribe() {
	qos := c.m.k.qos
	if qos == 3 {
		qos = byte(1 + c.m.random.IntN(2))
	}
	for try := 0; c.conn.codesOf(modelFilter, qos).Failed(); try++ {
		if try == 20 {
			c.m.t.Fatalf("%s cannot subscribe", c.id)
		}
	}
	c.member = true
}

func (c *conn) codesOf(filter string, qos byte) packet.ReasonCode {
	return c.Subscribe(context.Background(), []session.Subscription{{Filter: filter, QoS: qos}})[0]
}

// gone ends the client's part of a connection.
func (c *sharedMember) gone() {
	c.conn = nil
	if c.clean {
		c.member = false
		c.count()
		c.client = nil
		c.m.w.expire(c.id)
	}
}

func (c *sharedMember) act() {
	m := c.m
	if c.conn == nil {
		if m.chance(30) {
			c.connect()
			if !c.member {
				c.subscribe()
			}
		}
		return
	}
	switch n := m.random.IntN(20); {
	case n < 12:
		c.look(1 + m.random.IntN(6))
	case n == 12 && m.k.slow:
		if full := m.chance(60); c.conn.link.drain(full) {
			c.conn.Wake()
		}
	case n == 13 && m.k.parts:
		if c.member {
			c.unsubscribe()
		} else {
			c.subscribe()
		}
	case n == 14 && m.k.breaks:
		conn := c.conn
		c.gone()
		conn.leave(m.t)
	case n == 15 && m.k.breaks:
		conn := c.conn
		m.w.crash(conn)
		c.gone()
		time.AfterFunc(time.Duration(m.random.IntN(3000))*time.Millisecond, func() { conn.leave(m.t) })
	}
}

// look handles some packets and gives some answers.
func (c *sharedMember) look(n int) {
	for range n {
		if c.m.chance(50) {
			c.client.look(c.conn.link)
		} else if len(c.client.owing) > 0 {
			c.client.answer(c.conn, c.m.random.IntN(len(c.client.owing)))
		}
	}
}

// unsubscribe leaves the group: afterwards nothing new comes but QoS 2 messages on their way.
func (c *sharedMember) unsubscribe() {
	c.member = false
	c.conn.unsubscribe(c.m.t, modelFilter)
	if c.m.k.qos != 1 {
		return
	}
	for c.client.look(c.conn.link) {
	}
	time.Sleep(time.Duration(c.m.random.IntN(5000)) * time.Millisecond)
	if p := c.conn.link.next(); p != nil {
		c.m.t.Errorf("%s got %+v after UNSUBACK", c.id, p)
	}
}

// count takes over what the application has got.
func (c *sharedMember) count() {
	if c.client == nil {
		return
	}
	for p, n := range c.client.got {
		c.m.all[p] += n
	}
	c.client.got = map[string]int{}
}

// finish lets everything come to rest and checks what came.
func (m *sharedModel) finish() {
	m.w.log.mu.Lock()
	m.w.pops.flaky = nil
	m.w.log.mu.Unlock()
	for _, c := range m.members {
		if c.conn == nil {
			c.connect()
		}
		if !c.member {
			c.subscribe()
		}
		if c.conn.link.drain(false) {
			c.conn.Wake()
		}
	}
	life := m.life()
	for quiet, seconds := 0, 0; quiet < 80; seconds++ { // longer than an invisible time and its prolongation
		if seconds == 3600 {
			m.t.Error("messages come again and again")
			break
		}
		busy := false
		for _, c := range m.members {
			busy = c.client.finish(c.conn, c.conn.link) || busy
		}
		if quiet++; busy {
			quiet = 0
		}
		time.Sleep(time.Second)
	}
	for _, c := range m.members {
		c.count()
	}
	for p, in := range m.owed {
		switch n := m.all[p]; {
		case n == 0 && in == life && !m.k.mayLose():
			m.t.Errorf("message %s never came", p)
		case n > 1 && (m.k.qos == 2 || !m.k.breaks) && !m.k.flaky:
			m.t.Errorf("message %s came %d times", p, n)
		}
	}
	for _, c := range m.members {
		if out := m.w.out(c.id); len(out) > 0 && !c.clean {
			m.t.Errorf("%s keeps %v", c.id, out)
		}
	}
}

// mayLose says that a QoS 2 message may have gone to a session that ended.
func (k sharedKind) mayLose() bool { return k.qos == 3 && k.clean }
