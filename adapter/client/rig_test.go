package client

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/session"
)

// rig is a server with everything around it, in a synctest bubble.
type rig struct {
	t       *testing.T
	store   *fakeStore
	log     *fakeLog
	deliver *fakeDeliverer
	verify  func(*access.Login) error
	kind    string            // of new connections
	refused packet.ReasonCode // what they are refused with
	lease   fakeLease
	srv     *Server
	stop    func()
}

type fakeLease struct{ lapsed atomic.Bool }

func (l *fakeLease) Valid() bool { return !l.lapsed.Load() }

type verifier struct{ r *rig }

func (v verifier) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	if v.r.verify != nil {
		return access.Identity{}, v.r.verify(l)
	}
	return access.Identity{Username: l.Username}, nil
}

// run runs test in a bubble; a goroutine that is left makes it fail.
func run(t *testing.T, cfg Config, test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newFakeStore(), newFakeLog(), cfg)
		defer r.stop()
		test(t, r)
	})
}

// runWith is run with more to depend on.
func runWith(t *testing.T, cfg Config, deps func(*Deps), test func(*testing.T, *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newFakeStore(), newFakeLog(), cfg, deps)
		defer r.stop()
		test(t, r)
	})
}

func newRig(t *testing.T, store *fakeStore, log *fakeLog, cfg Config, change ...func(*Deps)) *rig {
	r := &rig{t: t, kind: "tcp", store: store, log: log, deliver: &fakeDeliverer{}}
	if cfg.Instance == "" {
		cfg.Instance = "i1"
	}
	committer := session.NewCommitter(store, session.CommitterConfig{})
	deps := Deps{
		Sessions: store, Viewer: store, Sweeper: store, Words: store, Filters: store, Committer: committer,
		Deliver: r.deliver, Lanes: log, Verifier: verifier{r}, Lease: &r.lease, Wills: store.publish,
	}
	for _, fn := range change {
		fn(&deps)
	}
	r.srv = NewServer(deps, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	loops.Go(func() { committer.Run(ctx) })
	loops.Go(func() { r.srv.Run(ctx) })
	r.stop = sync.OnceFunc(func() {
		end, done := context.WithTimeout(context.Background(), 30*time.Second)
		defer done()
		if err := r.srv.Drain(end, packet.ServerShuttingDown, 0); err != nil {
			t.Errorf("drain: %v", err)
		}
		cancel()
		loops.Wait()
	})
	return r
}

// fakeConn is the server's end of a pipe without a buffer: what nobody reads stays with the writer.
type fakeConn struct {
	net.Conn
	kind    string
	pings   atomic.Int32
	refused packet.ReasonCode
	deads   atomic.Bool // Ping fails
	mu      sync.Mutex
	code    packet.ReasonCode // of Bye
	said    bool
}

func (c *fakeConn) Kind() string              { return c.kind }
func (c *fakeConn) RemoteIP() netip.Addr      { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }
func (c *fakeConn) Header() http.Header       { return nil }
func (c *fakeConn) DropHeader()               {}
func (c *fakeConn) TLS() *tls.ConnectionState { return nil }
func (c *fakeConn) Established()              {}
func (c *fakeConn) Refused() (packet.ReasonCode, string) {
	if c.refused == packet.Success {
		return packet.Success, ""
	}
	return c.refused, "no room"
}

func (c *fakeConn) Ping() error {
	c.pings.Add(1)
	if c.deads.Load() {
		return net.ErrClosed
	}
	return nil
}

func (c *fakeConn) Bye(code packet.ReasonCode) {
	c.mu.Lock()
	if !c.said {
		c.said, c.code = true, code
	}
	c.mu.Unlock()
	_ = c.Close()
}

func (c *fakeConn) bye() (packet.ReasonCode, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.code, c.said
}

// peer is a client.
type peer struct {
	t      *testing.T
	v      packet.Version
	conn   net.Conn
	far    *fakeConn
	out    chan []byte
	served chan struct{} // closed when Serve has returned
	ended  chan struct{} // closed when the stream has

	mu  sync.Mutex // protects got
	got []string
	on  func(packet.Packet) // sees packets as they come; nil: nobody
}

// dial connects a client that has sent nothing yet. One that is deaf never reads.
func (r *rig) dial(v packet.Version, deaf bool, on func(packet.Packet)) *peer {
	near, far := net.Pipe()
	p := &peer{
		t: r.t, v: v, conn: near, far: &fakeConn{Conn: far, kind: r.kind, refused: r.refused}, out: make(chan []byte, 20000),
		served: make(chan struct{}), ended: make(chan struct{}), on: on,
	}
	go func() { defer close(p.served); r.srv.Serve(p.far); _ = p.far.Close() }()
	go func() {
		for b := range p.out {
			if _, err := near.Write(b); err != nil {
				break
			}
		}
	}()
	go func() {
		defer close(p.ended)
		if !deaf {
			p.read()
		}
		if deaf {
			<-p.served
		}
	}()
	r.t.Cleanup(func() { _ = near.Close(); <-p.ended; close(p.out) }) // nobody sends any more
	return p
}

func (p *peer) read() {
	dec := packet.NewDecoder(p.conn, 0)
	dec.SetVersion(p.v)
	for {
		q, err := dec.Next()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.got = append(p.got, describe(q))
		p.mu.Unlock()
		if p.on != nil {
			p.on(q)
		}
	}
}

// send sends packets, or bytes as they are.
func (p *peer) send(what ...any) *peer {
	for _, one := range what {
		switch one := one.(type) {
		case []byte:
			p.out <- one
		case packet.Packet:
			b, err := one.Append(nil, p.v)
			if err != nil {
				p.t.Errorf("encode %v: %v", one.Type(), err)
			}
			p.out <- b
		}
	}
	return p
}

// take waits until nothing moves and returns what has come since the last call, joined by ", ". The end of the stream is
// "closed", with the reason that the transport was given.
func (p *peer) take() string {
	synctest.Wait()
	p.mu.Lock()
	got := p.got
	p.got = nil
	p.mu.Unlock()
	select {
	case <-p.ended:
		code, said := p.far.bye()
		if said {
			got = append(got, fmt.Sprintf("closed %02x", byte(code)))
		} else {
			got = append(got, "closed")
		}
	default:
	}
	return strings.Join(got, ", ")
}

func (p *peer) want(want string) {
	p.t.Helper()
	if got := p.take(); got != want {
		p.t.Errorf("got  %q\nwant %q", got, want)
	}
}

// describe is a packet in a few characters.
func describe(p packet.Packet) string {
	switch p := p.(type) {
	case *packet.Connack:
		s := fmt.Sprintf("CONNACK %02x", byte(p.Code))
		if p.SessionPresent {
			s += " present"
		}
		if p.Properties.AuthMethod != "" {
			s += fmt.Sprintf(" %s %s", p.Properties.AuthMethod, p.Properties.AuthData)
		}
		return s
	case *packet.Auth:
		return fmt.Sprintf("AUTH %02x %s %s", byte(p.Code), p.Method, p.Data)
	case *packet.Puback:
		return ack("PUBACK", p.PacketID, p.Code)
	case *packet.Pubrec:
		return ack("PUBREC", p.PacketID, p.Code)
	case *packet.Pubrel:
		return ack("PUBREL", p.PacketID, p.Code)
	case *packet.Pubcomp:
		return ack("PUBCOMP", p.PacketID, p.Code)
	case *packet.Suback:
		return fmt.Sprintf("SUBACK %d %s", p.PacketID, hex(p.Codes))
	case *packet.Unsuback:
		return fmt.Sprintf("UNSUBACK %d %s", p.PacketID, hex(p.Codes))
	case *packet.Publish:
		if p.TopicAlias > 0 {
			return fmt.Sprintf("PUBLISH %s=%d %s", p.Topic, p.TopicAlias, p.Payload)
		}
		return fmt.Sprintf("PUBLISH %s %s", p.Topic, p.Payload)
	case *packet.Disconnect:
		return fmt.Sprintf("DISCONNECT %02x", byte(p.Code))
	}
	return p.Type().String()
}

func ack(name string, id uint16, code packet.ReasonCode) string {
	if code == 0 {
		return fmt.Sprint(name, " ", id)
	}
	return fmt.Sprintf("%s %d %02x", name, id, byte(code))
}

func hex(codes []packet.ReasonCode) string {
	var s []string
	for _, c := range codes {
		s = append(s, fmt.Sprintf("%02x", byte(c)))
	}
	return strings.Join(s, " ")
}

// connect is a CONNECT of version v with a clean session, unless changed.
func connect(v packet.Version, id string, change ...func(*packet.Connect)) *packet.Connect {
	c := &packet.Connect{Version: v, CleanStart: true, ClientID: id}
	for _, fn := range change {
		fn(c)
	}
	return c
}

// lasting makes a session that outlives its connection.
func lasting(c *packet.Connect) {
	c.CleanStart = false
	if c.Version == packet.V5 {
		c.Properties.SessionExpiry = 3600
	}
}

func pub(qos byte, id uint16, topic, payload string) *packet.Publish {
	return &packet.Publish{QoS: qos, PacketID: id, Topic: topic, Payload: []byte(payload)}
}

// fakeDeliverer makes deliveries that deliver nothing by themselves.
type fakeDeliverer struct {
	mu        sync.Mutex
	onSub     func(ctx context.Context) packet.ReasonCode // the code of every filter, nil: granted
	asked     []session.Subscription
	retained  func() // called by Retained
	onClose   func()
	attached  []*fakeDelivery
	immediate func(Link) // called within Attach
}

type fakeDelivery struct {
	f       *fakeDeliverer
	link    Link
	writer  *session.Writer
	persist bool
	woken   atomic.Int32
}

func (f *fakeDeliverer) Begin(_ session.State, o AttachOptions, w *session.Writer) func(Link) Delivery {
	return func(l Link) Delivery { return f.attach(o, l, w) }
}

func (f *fakeDeliverer) attach(o AttachOptions, l Link, w *session.Writer) Delivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := &fakeDelivery{f: f, link: l, writer: w, persist: o.Persistent}
	f.attached = append(f.attached, d)
	if f.immediate != nil {
		f.immediate(l)
	}
	return d
}

// last is the newest delivery.
func (f *fakeDeliverer) last() *fakeDelivery {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.attached[len(f.attached)-1]
}

func (d *fakeDelivery) Subscribe(ctx context.Context, asks []session.Subscription) []packet.ReasonCode {
	codes := make([]packet.ReasonCode, len(asks))
	d.f.mu.Lock()
	d.f.asked = append(d.f.asked, asks...)
	d.f.mu.Unlock()
	for i, a := range asks {
		codes[i] = packet.ReasonCode(a.QoS)
		if d.f.onSub != nil {
			if code := d.f.onSub(ctx); code != 0 {
				codes[i] = code
			}
		}
	}
	return codes
}

func (d *fakeDelivery) Unsubscribe(_ context.Context, filters []string) []packet.ReasonCode {
	codes := make([]packet.ReasonCode, len(filters))
	for i, f := range filters {
		if strings.HasPrefix(f, "fail") {
			codes[i] = packet.UnspecifiedError
		}
	}
	return codes
}

func (d *fakeDelivery) Retained() {
	if d.f.retained != nil {
		d.f.retained()
	}
}

func (d *fakeDelivery) Puback(uint16) {}
func (d *fakeDelivery) Pubrec(id uint16, _ packet.ReasonCode) {
	d.link.Send(&packet.Pubrel{PacketID: id})
}
func (d *fakeDelivery) Pubcomp(uint16) {}
func (d *fakeDelivery) Wake()          { d.woken.Add(1) }

func (d *fakeDelivery) Close(ctx context.Context) error {
	if d.f.onClose != nil {
		d.f.onClose()
	}
	var err error
	if d.persist {
		err = d.writer.Flush(ctx)
	}
	d.writer.Close()
	return err
}

// journal keeps log records for tests that look at them.
type journal struct {
	slog.Handler
	mu    sync.Mutex
	lines []string
}

func (j *journal) Enabled(context.Context, slog.Level) bool { return true }
func (j *journal) Handle(_ context.Context, r slog.Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, r.Level.String()+" "+r.Message)
	return nil
}

func (j *journal) count(line string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for _, l := range j.lines {
		if l == line {
			n++
		}
	}
	return n
}

func equal[T any](t *testing.T, what string, got, want []T) {
	t.Helper()
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func newLogger(h slog.Handler) *slog.Logger { return slog.New(h) }
