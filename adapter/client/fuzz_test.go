package client

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// FuzzStateMachine drives connections of one client id with packets that are valid in themselves in any order, and with
// what happens around them. Nothing may panic, hang or be left running; witness has what else must hold.
func FuzzStateMachine(f *testing.F) {
	f.Add([]byte{2, 1, 0, 3, 0, 4, 0, 17, 10, 0})
	f.Add([]byte{1, 6, 6, 7, 26, 7, 46, 30, 6, 40, 7, 7, 15, 6, 200, 31, 32, 33})
	f.Add([]byte{0, 5, 5, 5, 16, 0, 4, 36, 17, 56, 18, 3, 99, 98, 97, 96})
	f.Add([]byte{5, 2, 22, 42, 62, 82, 102, 122, 14, 19, 39, 2, 2, 17, 9})
	f.Add([]byte("\x02\x0c\x03\x0d\x01\x0c\x83\x0d\x02\x0a\x00\x02\x14\x21"))
	f.Add([]byte("the quick brown fox jumps over the lazy dog, again and again: THE QUICK BROWN FOX"))
	f.Fuzz(func(t *testing.T, tape []byte) {
		if len(tape) > 400 {
			tape = tape[:400]
		}
		play(t, tape)
	})
}

// TestTapes plays long tapes, which reach further than what a fuzzer finds in a moment.
func TestTapes(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 3))
		tape := make([]byte, 1000)
		for i := range tape {
			tape[i] = byte(random.Uint32())
		}
		play(t, tape)
	}
}

func play(t *testing.T, tape []byte) {
	synctest.Test(t, func(t *testing.T) {
		deps := func(d *Deps) { d.Enhanced, d.Access, d.Presence = &steps{}, rules(noSecrets), &guests{} }
		r := newRig(t, newFakeStore(), newFakeLog(), Config{
			ReceiveMaximum: 8, InFlight: 4, MaxSubscriptions: 3, MaxPacketSize: 1024, MaxAge: time.Hour, PingAfter: time.Minute,
		}, deps)
		defer r.stop()
		f := &fuzz{t: t, r: r, tape: tape}
		f.play()
		f.check()
	})
}

// fuzz is one run.
type fuzz struct {
	t       *testing.T
	r       *rig
	tape    []byte
	cur     *witness
	all     []*witness
	release func()
	faults  bool // the store was away at times
}

// next is the next number below n on the tape; 0 at its end.
func (f *fuzz) next(n int) int {
	if len(f.tape) == 0 {
		return 0
	}
	b := f.tape[0]
	f.tape = f.tape[1:]
	return int(b) % n
}

func (f *fuzz) pick(of ...string) string { return of[f.next(len(of))] }

func (f *fuzz) let() {
	if f.release != nil {
		f.release()
		f.release = nil
	}
}

func (f *fuzz) play() {
	log, store := f.r.log, f.r.store
	log.verdict = func(m *message.Message) (time.Duration, bool, error) {
		var err error
		switch {
		case strings.HasSuffix(m.Topic, "refused"):
			err = message.ErrRefused
		case strings.HasSuffix(m.Topic, "unkept"):
			return time.Millisecond, true, message.ErrNotRetained
		case strings.HasSuffix(m.Topic, "away"):
			err = message.ErrUnavailable
		}
		return time.Duration(len(m.Topic)) * time.Millisecond, err == nil, err
	}
	store.onWrite = func(session.Change) (error, error) { time.Sleep(time.Millisecond); return nil, nil }
	f.dial()
	for len(f.tape) > 0 {
		f.step()
	}
	f.let()
	store.mu.Lock()
	store.away = false
	store.mu.Unlock()
	f.r.lease.lapsed.Store(false)
	time.Sleep(time.Minute) // what was left undone is done, what is repeated has rested
	f.r.stop()
	synctest.Wait()
	<-f.cur.served
}

func (f *fuzz) step() {
	select {
	case <-f.cur.served:
		f.dial()
	default:
	}
	switch f.next(22) {
	case 0, 1, 2, 3:
		f.publish()
	case 4:
		if f.next(8) > 0 {
			time.Sleep(50 * time.Millisecond) // PUBRECs are out
		}
		f.cur.send(&packet.Pubrel{PacketID: f.id()})
	case 5:
		f.cur.send(f.ack())
	case 6:
		f.subscribe()
	case 7:
		f.cur.send(unsubscribe(f.id(), f.pick("a", "t1", "$share/g/t", "fail", "#")))
	case 8:
		f.cur.send(&packet.Pingreq{})
	case 9:
		f.disconnect()
	case 10:
		if f.next(4) == 0 {
			f.cur.send(f.connect(f.cur.name))
		}
	case 11:
		f.auth()
	case 12:
		n := f.next(64)
		time.Sleep(time.Duration(n*n) * 10 * time.Millisecond)
	case 13:
		f.let()
		f.release = f.r.log.hold()
	case 14:
		f.let()
	case 15: // another connection takes over, or the same client comes back
		if f.next(2) == 0 {
			_ = f.cur.conn.Close()
		}
		f.dial()
	case 16:
		f.r.srv.Word(session.Word{Kind: f.pick("lost", "lost", "lost", "kick"), ClientID: "c", Epoch: session.Epoch(f.next(8))})
	case 17:
		f.r.lease.lapsed.Store(f.next(4) == 0)
	case 18:
		synctest.Wait()
	case 19:
		f.deliver()
	case 20:
		f.r.store.mu.Lock()
		f.r.store.away = f.next(3) == 0
		f.faults = f.faults || f.r.store.away
		f.r.store.mu.Unlock()
	case 21:
		if f.next(8) == 0 {
			f.r.srv.Lapsed()
		}
	}
}

func (f *fuzz) id() uint16 { return uint16(1 + f.next(5)) }

func (f *fuzz) publish() {
	qos := byte(f.next(3))
	name := f.pick("t1", "t2", "t33")
	if f.next(16) == 0 {
		name = f.pick("t/refused", "t/unkept", "away", "$SYS/x", "secret", "eve/x")
	}
	p := pub(qos, f.id(), name, "")
	p.Payload = fmt.Append(nil, f.cur.name, " ", p.PacketID, " ", qos)
	if qos == 0 {
		p.PacketID = 0
	}
	odd := f.next(32)
	p.Retain, p.DUP = odd&1 != 0, odd&2 != 0 && qos > 0
	if f.cur.v == packet.V5 && odd&4 != 0 {
		p.TopicAlias = uint16(1 + f.next(2))
		if odd&8 != 0 && (f.cur.aliased || f.next(16) == 0) {
			p.Topic, p.TopicAlias = "", 1
		}
		f.cur.aliased = f.cur.aliased || p.TopicAlias == 1
		if f.next(64) == 0 {
			p.TopicAlias = 33
		}
	}
	if f.cur.v == packet.V5 && odd&16 != 0 {
		p.Properties.HasFormat, p.Properties.PayloadFormat, p.Payload = true, byte(f.next(2)), append(p.Payload, f.pick("", "", "", "\xff")...)
	}
	f.cur.send(p)
}

func (f *fuzz) ack() packet.Packet {
	id := f.id()
	switch f.next(4) {
	case 0:
		return &packet.Puback{PacketID: id}
	case 1:
		return &packet.Pubrec{PacketID: id, Code: []packet.ReasonCode{packet.Success, packet.QuotaExceeded}[f.next(2)]}
	case 2:
		return &packet.Pubcomp{PacketID: id}
	}
	return &packet.Pubrel{PacketID: id, Code: packet.PacketIdentifierNotFound}
}

func (f *fuzz) subscribe() {
	s := &packet.Subscribe{PacketID: f.id()}
	for range 1 + f.next(3) {
		s.Filters = append(s.Filters, packet.Subscription{
			Filter: f.pick("a", "t1", "#", "$share/g/t", "$share/g", "a/#/b", "secret", "$share/g/secret"), QoS: byte(f.next(3)),
		})
	}
	if f.cur.v == packet.V5 {
		s.SubscriptionID = uint32(f.next(3))
		s.Filters[0].RetainHandling, s.Filters[0].RetainAsPublished = byte(f.next(3)), f.next(2) == 0
	}
	f.cur.send(s)
}

func (f *fuzz) disconnect() {
	if f.next(3) > 0 {
		return
	}
	d := &packet.Disconnect{}
	if f.cur.v == packet.V5 {
		d.Code = []packet.ReasonCode{0, 0, packet.DisconnectWithWill, packet.UnspecifiedError, packet.ServerBusy}[f.next(5)]
		if n := f.next(4); n > 0 {
			d.HasSessionExpiry, d.SessionExpiry = true, uint32(n-1)
		}
	}
	f.cur.send(d)
}

func (f *fuzz) auth() {
	if f.cur.v != packet.V5 || f.cur.first.Properties.AuthMethod == "" && f.next(8) > 0 {
		return
	}
	switch a := next("next"); f.next(8) {
	case 0:
		a.Data = []byte(f.pick("wrong", "broken"))
		f.cur.send(a)
	case 1:
		a.Method = "OTHER"
		f.cur.send(a)
	case 2:
		f.cur.send(auth(packet.Success, ""))
	case 3:
		f.cur.send(again(f.pick("other 0", f.cur.name+" 1")))
	case 4, 5:
		f.cur.send(again(f.cur.name+" 0"), again(f.cur.name+" 1"), a)
	default:
		f.cur.send(a)
	}
}

// connect is a CONNECT of some kind; name is the user's, and tells connections apart.
func (f *fuzz) connect(name string) *packet.Connect {
	c := connect(f.cur.v, "c")
	c.CleanStart = f.next(2) == 0
	c.HasUsername, c.Username = true, name
	if n := f.next(8); n > 5 {
		c.KeepAlive = uint16(n)
	}
	if n := f.next(8); n > 3 {
		c.Will = &packet.Will{Topic: f.pick("w", "w", "w", "secret", "$SYS/w"), QoS: byte(n - 4), Retain: n == 4}
		c.Will.QoS = min(c.Will.QoS, 2)
	}
	if f.cur.v != packet.V5 {
		return c
	}
	p := &c.Properties
	p.SessionExpiry = []uint32{0, 1, 3600, 0xFFFFFFFF}[f.next(4)]
	p.TopicAliasMaximum = []uint16{0, 1, 2, 100}[f.next(4)]
	p.MaximumPacketSize = []uint32{0, 0, 0, 0, 0, 100, 30, 4}[f.next(8)]
	p.NoProblemInfo = f.next(4) == 0
	if f.next(3) == 0 {
		p.AuthMethod = f.pick("STEPS", "STEPS", "STEPS", "OTHER")
		p.AuthData = []byte(f.pick(name+" 0", name+" 1", name+" 1", "?"))
	}
	return c
}

func (f *fuzz) dial() {
	w := &witness{f: f, v: []packet.Version{packet.V31, packet.V311, packet.V5, packet.V5}[f.next(4)], name: fmt.Sprint("u", len(f.all))}
	w.topics = map[uint16]string{}
	w.deaf = f.next(8) == 7
	f.cur = w
	f.all = append(f.all, w)
	w.peer = f.r.dial(w.v, w.deaf, w.see)
	c := f.connect(w.name)
	w.first = c
	w.send(c)
	if c.Properties.AuthMethod != "" && f.next(4) > 0 {
		w.send(next("next"))
	}
}

// deliver sends the newest delivery a few messages, whose payloads are their topics.
func (f *fuzz) deliver() {
	synctest.Wait()
	f.r.deliver.mu.Lock()
	var link Link
	if n := len(f.r.deliver.attached); n > 0 {
		link = f.r.deliver.attached[n-1].link
	}
	f.r.deliver.mu.Unlock()
	if link == nil {
		return
	}
	for range 1 + f.next(8) {
		name := f.pick("news/a", "news/b", "news/c", "n")
		tp, err := packet.NewTemplate(pub(0, 0, name, name), link.Version())
		if err != nil {
			f.t.Fatal(err)
		}
		if limit := link.MaxPacket(); limit == 0 || tp.EncodedSize(packet.Delivery{}) <= limit {
			link.SendDelivery(tp, packet.Delivery{})
		}
	}
}

// witness is a client that looks at every packet.
type witness struct {
	*peer
	f     *fuzz
	name  string
	v     packet.Version
	deaf  bool
	first *packet.Connect

	sent     [16]int // by type; PUBLISHes of QoS 1 and 2 count as what answers them
	pubs     [3][6]int
	rels     [6]int
	connacks int
	accepted bool
	over     bool // nothing may follow
	came     [16]int
	acks     [3][6]int
	topics   map[uint16]string
	left     bool // said DISCONNECT with 0x00
	erred    bool // said DISCONNECT with another code
	aliased  bool // alias 1 may be set
}

func (w *witness) send(list ...packet.Packet) {
	for _, p := range list {
		w.sendOne(p)
	}
}

func (w *witness) sendOne(p packet.Packet) {
	w.mu.Lock()
	w.sent[p.Type()]++
	switch p := p.(type) {
	case *packet.Publish:
		w.pubs[p.QoS][p.PacketID]++
	case *packet.Pubrel:
		w.rels[p.PacketID]++
	case *packet.Disconnect:
		w.left = w.left || p.Code == 0
		w.erred = w.erred || p.Code != 0
	}
	w.mu.Unlock()
	w.peer.send(p)
}

// see is called for each packet that comes.
func (w *witness) see(p packet.Packet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	bad := func(format string, args ...any) { w.f.t.Errorf(w.name+": "+format, args...) }
	kind := p.Type()
	w.came[kind]++
	size := 0
	if b, err := p.Append(nil, w.v); err == nil {
		size = len(b)
	}
	switch {
	case w.over:
		bad("%v behind the end", kind)
	case w.connacks == 0 && kind != packet.CONNACK && (kind != packet.AUTH || w.first.Properties.AuthMethod == ""): // [MQTT-3.2.0-1]
		bad("%v before CONNACK", kind)
	case w.v != packet.V5 && (kind == packet.DISCONNECT || kind == packet.AUTH):
		bad("%v before 5.0", kind)
	case packet.CheckFromServer(p) != nil:
		bad("%v", packet.CheckFromServer(p))
	case w.first.Properties.MaximumPacketSize > 0 && size > int(w.first.Properties.MaximumPacketSize): // [MQTT-3.1.2-24]
		bad("%v of %d bytes", kind, size)
	}
	switch p := p.(type) {
	case *packet.Connack:
		w.connacks++
		w.accepted, w.over = p.Code == 0, p.Code != 0
		if w.connacks > 1 { // [MQTT-3.2.0-2]
			bad("CONNACK again")
		}
		if p.Properties.AuthMethod != "" && p.Properties.AuthMethod != w.first.Properties.AuthMethod {
			bad("CONNACK with method %q", p.Properties.AuthMethod)
		}
	case *packet.Disconnect:
		w.over = true
	case *packet.Puback:
		w.answer(1, p.PacketID)
	case *packet.Pubrec:
		w.answer(2, p.PacketID)
	case *packet.Pubcomp:
		if w.came[kind] > w.sent[packet.PUBREL] {
			bad("PUBCOMP for nothing")
		}
	case *packet.Suback:
		if w.came[kind] > w.sent[packet.SUBSCRIBE] {
			bad("SUBACK for nothing")
		}
	case *packet.Unsuback:
		if w.came[kind] > w.sent[packet.UNSUBSCRIBE] {
			bad("UNSUBACK for nothing")
		}
	case *packet.Pingresp:
		if w.came[kind] > w.sent[packet.PINGREQ] {
			bad("PINGRESP for nothing")
		}
	case *packet.Auth:
		if p.Method != w.first.Properties.AuthMethod { // [MQTT-4.12.0-5]
			bad("AUTH with method %q", p.Method)
		}
	case *packet.Publish:
		w.delivered(p)
	}
	if w.first.Properties.NoProblemInfo { // [MQTT-3.1.2-29]
		if q, ok := p.(*packet.Suback); ok && q.Reason != "" {
			bad("SUBACK with words")
		}
	}
}

// answer counts PUBACK and PUBREC: at most one for each PUBLISH.
func (w *witness) answer(qos int, id uint16) {
	if w.acks[qos][id]++; w.acks[qos][id] > w.pubs[qos][id] {
		w.f.t.Errorf("%s: QoS %d, id %d acknowledged %d times, sent %d times", w.name, qos, id, w.acks[qos][id], w.pubs[qos][id])
	}
}

// delivered checks the topic alias of a delivery.
func (w *witness) delivered(p *packet.Publish) {
	name := p.Topic
	switch {
	case p.TopicAlias > w.first.Properties.TopicAliasMaximum: // [MQTT-3.1.2-26]
		w.f.t.Errorf("%s: alias %d", w.name, p.TopicAlias)
	case name == "":
		name = w.topics[p.TopicAlias]
	case p.TopicAlias > 0:
		w.topics[p.TopicAlias] = strings.Clone(name)
	}
	if name != string(p.Payload) {
		w.f.t.Errorf("%s: %q came as %q", w.name, p.Payload, name)
	}
}

// exactlyOnce checks that each packet id of QoS 2 was published once, and once more for each PUBREL.
func (f *fuzz) exactlyOnce() {
	for _, w := range f.all {
		for id := range w.rels {
			n := 0
			for _, entry := range f.r.log.stored() {
				topic, payload, _ := strings.Cut(entry, " ")
				if topic != "t/unkept" && strings.TrimSuffix(payload, "\xff") == fmt.Sprint(w.name, " ", id, " ", 2) {
					n++
				}
			}
			if n > 1+w.rels[id] {
				f.t.Errorf("%s: id %d of QoS 2 published %d times, released %d times", w.name, id, n, w.rels[id])
			}
		}
	}
}

// check looks at what is left of a run.
func (f *fuzz) check() {
	f.exactlyOnce()
	s := f.r.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.sessions["c"]; o != nil && o.owner != "" {
		f.t.Errorf("owner %q at the end", o.owner)
	}
	moved := []packet.ReasonCode{packet.ServerShuttingDown, packet.UseAnotherServer, packet.ServerBusy, packet.ServerUnavailable}
	for epoch, user := range s.epochs {
		calls, how := s.tried[epoch], s.parting[epoch]
		if calls == 0 || calls > 1 && !f.faults {
			f.t.Errorf("epoch %d of %s: Detach called %d times", epoch, user, calls)
		}
		i := slices.IndexFunc(f.all, func(w *witness) bool { return w.name == user })
		if i < 0 {
			f.t.Errorf("epoch %d of %q", epoch, user)
			continue
		}
		w := f.all[i]
		code, said := w.far.bye()
		w.mu.Lock()
		switch {
		case how == "": // taken over
		case how == "clean" && !w.left && (w.accepted || w.deaf && code != packet.PacketTooLarge) && !f.faults:
			f.t.Errorf("%s: parted clean without DISCONNECT", user)
		case how == "moved" && !(said && (slices.Contains(moved, code) || code == packet.Success)), // its stream broke when it was to go
			how == "lost" && said && slices.Contains(moved, code) && !w.erred:
			f.t.Errorf("%s: parted %s, closed with %v %v", user, how, said, code)
		}
		w.mu.Unlock()
	}
}
