package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lmqgate/adapter/packet"
)

// reader is a subscriber that reads when the test wants it to, and whose kernel keeps little for it.
type reader struct {
	conn net.Conn
	dec  *packet.Decoder
	v    packet.Version
}

// newReader connects and subscribes. After that nothing is read.
func newReader(t *testing.T, addr string, v packet.Version, id string, qos byte, filter string) *reader {
	t.Helper()
	return readerOn(t, openSmall(t, addr), v, id, qos, filter)
}

func readerOn(t *testing.T, conn net.Conn, v packet.Version, id string, qos byte, filter string) *reader {
	t.Helper()
	r := &reader{conn: conn, dec: packet.NewDecoder(conn, 0), v: v}
	r.dec.SetVersion(v)
	_, err := conn.Write(encode(v, &packet.Connect{Version: v, ClientID: id, CleanStart: true}))
	must(t, err)
	r.want(t, packet.CONNACK)
	_, err = conn.Write(encode(v, &packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: filter, QoS: qos}}}))
	must(t, err)
	r.want(t, packet.SUBACK)
	return r
}

func (r *reader) want(t *testing.T, kind packet.Type) {
	t.Helper()
	_ = r.conn.SetReadDeadline(time.Now().Add(soon))
	p, err := r.dec.Next()
	must(t, err)
	if p.Type() != kind {
		t.Fatalf("got %v, want %v", p.Type(), kind)
	}
}

// openSmall opens a connection with a small receive buffer.
func openSmall(t *testing.T, addr string) net.Conn {
	t.Helper()
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(4096)
		}
		return c, err
	}
	if !strings.HasPrefix(addr, "ws://") {
		c, err := dial(t.Context(), "tcp", addr)
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial}}
	c, _, err := websocket.Dial(t.Context(), addr, &websocket.DialOptions{Subprotocols: []string{"mqtt"}, HTTPClient: client})
	must(t, err)
	c.SetReadLimit(-1)
	t.Cleanup(func() { _ = c.CloseNow() })
	return websocket.NetConn(context.Background(), c, websocket.MessageBinary)
}

// TestSlowReaders: clients that stop reading delay nobody and cost a bounded amount; they are disconnected in time. What they
// missed is no buffer's but the log's.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini, "WRITE_TIMEOUT=3s")
	i := f.instances[0]
	topic := f.topic("fan")
	messages, size := 200, 8<<10
	readers := scale(10, 30, 180)
	const stuck = 12

	for n := range stuck {
		newReader(t, []string{i.tcp, i.ws()}[n%2], version(n/2), fmt.Sprint("stuck-", n), byte(n/4%2), topic)
	}
	var others []*device
	for n := range readers {
		d := connected(t, fmt.Sprint("reader-", n), version(n), []string{i.tcp, i.ws()}[n%2])
		must(t, d.subscribe(byte(n%2), topic))
		others = append(others, d)
	}
	publisher := connected(t, "publisher", packet.V5, i.tcp)
	body := strings.Repeat("x", size)
	var wanted []string
	most := 0.0
	for n := range messages {
		payload := fmt.Sprintf("%05d%s", n, body)
		wanted = append(wanted, payload)
		publisher.publish(topic, 1, payload, nil)
		if n%20 == 0 {
			most = max(most, i.metric("lmqgate_client_bytes_waiting"))
		}
	}
	for _, d := range others {
		gotExactly(t, d, "", wanted)
	}
	most = max(most, i.metric("lmqgate_client_bytes_waiting"))
	if bound := float64(stuck*2*(128<<10+16<<10) + readers*(128<<10)); most > bound {
		t.Errorf("%v bytes waited for clients", most)
	}
	eventually(t, soon, func() error {
		if n := i.metric("lmqgate_slow_clients_total", `reason="write_timeout"`); n != stuck {
			return fmt.Errorf("%v of %d disconnected", n, stuck)
		}
		return nil
	})
	t.Logf("%d readers got %d messages of %d bytes each beside %d that do not read, for which %v bytes waited at most", readers, messages, size, stuck, most)
}

// TestSlowReaderGoesOn: one that reads again in time has missed nothing, QoS 0 included: it is read from the log when the
// client has room for it.
func TestSlowReaderGoesOn(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini)
	i := f.instances[0]
	for n, addr := range []string{i.tcp, i.ws()} {
		topic := f.topic("pause%d", n)
		conn, err := open(addr)
		must(t, err)
		r := readerOn(t, conn, packet.V5, fmt.Sprint("pausing-", n), 0, topic)
		publisher := connected(t, fmt.Sprint("publisher-", n), packet.V5, i.tcp)
		body := strings.Repeat("x", 16<<10)
		const messages = 400
		for m := range messages {
			publisher.publish(topic, 1, fmt.Sprintf("%05d%s", m, body), nil)
		}
		publisher.await(soon, "all acknowledgements", func() bool { return len(publisher.unacked) == 0 })
		_ = r.conn.SetReadDeadline(time.Now().Add(soon))
		for m := range messages {
			p, err := r.dec.Next()
			must(t, err)
			if got := string(p.(*packet.Publish).Payload[:5]); got != fmt.Sprintf("%05d", m) {
				t.Fatalf("message %s, want %05d", got, m)
			}
		}
		_ = r.conn.Close()
	}
}

// storm publishes as fast as the server takes it, until stop is closed, and answers what it has to.
func storm(t *testing.T, addr, topic string, qos byte, stop chan struct{}, sent *atomic.Int64) {
	conn, err := open(addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	free := make(chan uint16, 64)
	for n := range 64 {
		free <- uint16(n + 1)
	}
	_, _ = conn.Write(encode(packet.V5, &packet.Connect{Version: packet.V5, ClientID: fmt.Sprint("storm-", qos), CleanStart: true}))
	var mu sync.Mutex // of writing
	var work sync.WaitGroup
	work.Go(func() {
		dec := packet.NewDecoder(conn, 0)
		dec.SetVersion(packet.V5)
		for {
			p, err := dec.Next()
			if err != nil {
				return
			}
			switch p := p.(type) {
			case *packet.Puback:
				free <- p.PacketID
			case *packet.Pubcomp:
				free <- p.PacketID
			case *packet.Pubrec:
				mu.Lock()
				_, _ = conn.Write(encode(packet.V5, &packet.Pubrel{PacketID: p.PacketID}))
				mu.Unlock()
			case *packet.Disconnect:
				t.Errorf("storm of QoS %d was disconnected: %v", qos, p.Code)
			}
		}
	})
	payload := make([]byte, 1000)
	for n := 0; ; n++ {
		p := &packet.Publish{Topic: fmt.Sprint(topic, "/", n%10), QoS: qos, Payload: payload}
		if qos > 0 {
			select {
			case p.PacketID = <-free:
			case <-stop:
			}
		}
		select {
		case <-stop:
			_ = conn.Close()
			work.Wait()
			return
		default:
		}
		mu.Lock()
		_ = conn.SetWriteDeadline(time.Now().Add(soon))
		_, err := conn.Write(encode(packet.V5, p))
		mu.Unlock()
		if err != nil {
			t.Errorf("storm of QoS %d: %v", qos, err)
			work.Wait()
			return
		}
		sent.Add(1)
	}
}

// TestStorms: clients that publish as fast as they can are held back by TCP; nothing of theirs is dropped, what is on its way
// is bounded, and everybody else gets on.
func TestStorms(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini)
	i := f.instances[0]
	stop := make(chan struct{})
	var sent [3]atomic.Int64
	var storms sync.WaitGroup
	for qos := range sent {
		storms.Go(func() {
			storm(t, []string{i.tcp, i.ws(), i.tcp}[qos], f.topic("storm%d", qos), byte(qos), stop, &sent[qos])
		})
	}
	endStorms := sync.OnceFunc(func() { close(stop); storms.Wait() })
	t.Cleanup(endStorms)
	for qos := range sent {
		eventually(t, soon, func() error {
			if sent[qos].Load() < 200 {
				return fmt.Errorf("storm %d has sent %d", qos, sent[qos].Load())
			}
			return nil
		})
	}
	pairs := scale(5, 20, 50)
	var work sync.WaitGroup
	for n := range pairs {
		work.Go(func() {
			d := newDevice(t, fmt.Sprint("calm-", n), version(n))
			if err := d.connect([]string{i.tcp, i.ws()}[n%2]); err != nil {
				t.Errorf("connect: %v", err)
				return
			}
			if err := d.subscribe(byte(n%3), f.topic("calm/%d", n)); err != nil {
				t.Errorf("subscribe: %v", err)
				return
			}
			for m := range 20 { // one at a time, round trip by round trip
				d.publish(f.topic("calm/%d", n), byte((n+m)%3), fmt.Sprint(m), nil)
				if !d.within(soon, func() bool { return len(d.got) > m }) {
					t.Errorf("%s: message %d does not come", d.id, m)
					return
				}
			}
		})
	}
	stored := func(qos int) float64 {
		return i.metric("lmqgate_publishes_total", `outcome="acked"`, fmt.Sprintf(`qos="%d"`, qos))
	}
	before := [3]float64{stored(0), stored(1), stored(2)}
	work.Wait()
	for qos := range sent {
		if n := stored(qos) - before[qos]; n < float64(pairs*20) { // the pairs' own are a third of that
			t.Errorf("storm of QoS %d was starved: %v stored", qos, n)
		}
	}
	if n := i.metric("lmqgate_publish_in_flight"); n > 3*128+float64(pairs)+10 {
		t.Errorf("%v publications in flight", n)
	}
	if n := i.metric("lmqgate_publishes_held_back_total"); n == 0 {
		t.Error("nobody was held back")
	}
	for _, outcome := range []string{"busy", "dropped", "lost", "unavailable"} {
		if n := i.metric("lmqgate_publishes_total", `outcome="`+outcome+`"`); n != 0 {
			t.Errorf("%v publications were %s", n, outcome)
		}
	}
	t.Logf("sent meanwhile: %d, %d, %d of QoS 0, 1, 2", sent[0].Load(), sent[1].Load(), sent[2].Load())
	endStorms()
}

// TestMemoryCeiling: with little memory and clients that begin large packets and do not end them, the process sheds load in
// its stages, lives, and takes everybody again afterwards.
func TestMemoryCeiling(t *testing.T) {
	t.Parallel()
	f := prepare(t, mini, "GOMEMLIMIT=56MiB", "PACKET_TIMEOUT=10m", "MAX_PACKET_SIZE=1048576", "MAX_CONNECTIONS=2000")
	f.binary = binaries.plain // the race detector needs many times the memory
	i := f.add()
	i.ready()
	greedy := make([]*wire, 80)
	for n := range greedy {
		greedy[n] = dialed(t, []string{i.tcp, i.ws()}[n%2], packet.V5)
		greedy[n].connect(t, packet.Connect{ClientID: fmt.Sprint("greedy-", n), CleanStart: true})
	}
	whole := encode(packet.V5, &packet.Publish{Topic: f.topic("big"), Payload: make([]byte, 1000<<10)})
	refused, begun := false, 0
	eventually(t, 2*soon, func() error {
		if begun < len(greedy) { // one more for each look
			greedy[begun].raw(whole[:900<<10])
			begun++
		}
		stage := i.metric("lmqgate_memory_stage")
		if stage > 0 && !refused {
			w, err := dial(i.tcp, packet.V5)
			if err != nil {
				return err
			}
			defer w.cut()
			w.send(&packet.Connect{Version: packet.V5, ClientID: "late", CleanStart: true})
			p, err := w.next(soon)
			if err != nil {
				return err
			}
			ack, ok := p.(*packet.Connack)
			refused = ok && ack.Code == packet.ServerBusy
		}
		if n := i.metric("lmqgate_clients_shed_total"); n == 0 || !refused {
			return fmt.Errorf("%v shed, refused: %v, stage %v, %v used", n, refused, stage, i.metric("lmqgate_memory_used_bytes"))
		}
		return nil
	})
	eventually(t, soon, func() error {
		for _, w := range greedy {
			if p, err := w.next(0); err == nil && p.Type() == packet.DISCONNECT && p.(*packet.Disconnect).Code == packet.QuotaExceeded {
				return nil
			}
		}
		return fmt.Errorf("nobody was told 0x97")
	})
	peak := peakMemory(t, i.cmd.Process.Pid)
	t.Logf("%d clients began a packet of a megabyte; %v shed; peak resident %d MiB of a limit of 56", begun, i.metric("lmqgate_clients_shed_total"), peak>>20)
	if peak > 2*56<<20 {
		t.Errorf("resident memory was %d MiB", peak>>20)
	}
	must(t, get("http://"+i.http+"/health/live", nil))
	for _, w := range greedy {
		w.cut()
	}
	eventually(t, soon, func() error {
		if n := i.metric("lmqgate_memory_stage"); n != 0 {
			return fmt.Errorf("stage %v, %v used", n, i.metric("lmqgate_memory_used_bytes"))
		}
		return nil
	})
	after := connected(t, "after", packet.V5, i.tcp)
	must(t, after.subscribe(1, f.topic("after")))
	after.publish(f.topic("after"), 1, "served", nil)
	gotExactly(t, after, "", []string{"served"})
	changes := 0.0
	for _, stage := range []string{"normal", "refuse", "slow", "shed"} {
		changes += i.metric("lmqgate_memory_stage_changes_total", `stage="`+stage+`"`)
	}
	if n := strings.Count(i.log.String(), `"stage":`); float64(n) != changes {
		t.Errorf("%d lines for %v changes of stage", n, changes)
	}
}

// peakMemory is the most memory that a process had resident, in bytes; 0 where that is not known.
func peakMemory(t *testing.T, pid int) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Logf("peak memory is not known: %v", err)
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib := 0
	_, _ = fmt.Sscan(rest, &kib)
	return kib << 10
}
