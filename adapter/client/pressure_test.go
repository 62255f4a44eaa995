package client

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lmqgate/adapter/packet"
)

// short is memory that runs short when the test says so.
type short struct{ atomic.Bool }

func (s *short) Slow() bool { return s.Load() }

// A connection for which there is no place is told so in CONNACK, and takes no session.
func TestRefusedAtTheDoor(t *testing.T) {
	for code, v3 := range map[packet.ReasonCode]string{
		packet.QuotaExceeded: "CONNACK 03", packet.ConnectionRateExceeded: "CONNACK 03", packet.ServerBusy: "CONNACK 03",
	} {
		log := &journal{}
		run(t, Config{Logger: slog.New(log)}, func(t *testing.T, r *rig) {
			r.refused = code
			bye := fmt.Sprintf(", closed %02x", byte(code))
			p := r.dial(packet.V5, false, nil).send(connect(packet.V5, "a", lasting))
			p.want(fmt.Sprintf("CONNACK %02x%s", byte(code), bye))
			r.dial(packet.V311, false, nil).send(connect(packet.V311, "b")).want(v3 + bye)
			if r.srv.Len() != 0 || len(r.deliver.attached) != 0 {
				t.Error("a session was taken")
			}
			if log.count("INFO connection refused") != 0 {
				t.Error("a line for each refused connection")
			}
		})
	}
}

// A packet has to end some time after it began, a byte now and then is not enough; one that waits for us is not late.
func TestPacketTimeout(t *testing.T) {
	run(t, Config{PacketTimeout: 20 * time.Second, InFlight: 10}, func(t *testing.T, r *rig) {
		slow := r.dial(packet.V5, false, nil).send(connect(packet.V5, "slow"))
		patient := r.dial(packet.V5, false, nil).send(connect(packet.V5, "patient"))
		slow.want("CONNACK 00")
		patient.want("CONNACK 00")
		b, err := pub(1, 1, "t", strings.Repeat("x", 200)).Append(nil, packet.V5)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 18 { // one of them whole in 18 s
			patient.send(b[i*10 : i*10+10])
			slow.send(b[i : i+1])
			time.Sleep(time.Second)
		}
		slow.want("")
		patient.send(b[180:])
		patient.want("PUBACK 1")
		time.Sleep(4 * time.Second)
		slow.want("DISCONNECT 8d, closed 8d")

		release := r.log.hold() // the next packet is in our buffer while this one waits for the log
		var burst []byte
		for i := range 64 {
			more, err := pub(1, uint16(i+2), "t", "x").Append(nil, packet.V5)
			if err != nil {
				t.Fatal(err)
			}
			burst = append(burst, more...)
		}
		patient.send(burst, pub(0, 0, "t", "a"), pub(0, 0, "t", "b"))
		time.Sleep(time.Hour)
		release()
		if got := patient.take(); !strings.HasPrefix(got, "PUBACK 2") || strings.Contains(got, "DISCONNECT") {
			t.Errorf("got %q", got)
		}
		patient.send(&packet.Pingreq{}).want("PINGRESP")
	})
}

// While memory is short each client's PUBLISHes are taken one at a time, with pauses; the rest waits in TCP.
func TestSlowedPublishing(t *testing.T) {
	var memory short
	runWith(t, Config{}, func(d *Deps) { d.Pressure = &memory }, func(t *testing.T, r *rig) {
		p := r.dial(packet.V5, false, nil).send(connect(packet.V5, "a"))
		p.want("CONNACK 00")
		memory.Store(true)
		for i := range 30 {
			p.send(pub(0, 0, "t", fmt.Sprint(i)))
		}
		time.Sleep(10*slowPause + slowPause/2)
		synctest.Wait()
		if n := len(r.log.stored()); n != 10 {
			t.Errorf("%d taken in the time of 10", n)
		}
		memory.Store(false)
		time.Sleep(slowPause)
		synctest.Wait()
		if n := len(r.log.stored()); n != 30 {
			t.Errorf("%d taken in all", n)
		}
		if n := testutil.ToFloat64(r.srv.metrics.held); n < 10 {
			t.Errorf("%v counted", n)
		}
		memory.Store(true)
		p.send(pub(0, 0, "t", "last"), &packet.Disconnect{}) // a pause does not outlive its connection
		synctest.Wait()
		r.srv.closeAll(packet.ServerBusy)
		p.want("DISCONNECT 89, closed 89")
	})
}

// What all have on its way is bounded by giving each less, and nobody is refused.
func TestHandIsShared(t *testing.T) {
	run(t, Config{InFlight: 100, InHand: 400, ReceiveMaximum: 1000}, func(t *testing.T, r *rig) {
		release := r.log.hold()
		var peers []*peer
		for c := range 10 {
			p := r.dial(packet.V5, false, nil).send(connect(packet.V5, fmt.Sprint("c", c)))
			p.want("CONNACK 00")
			for i := range 150 {
				p.send(pub(1, uint16(i+1), fmt.Sprintf("t/%d/%d", c, i), "x"))
			}
			synctest.Wait()
			peers = append(peers, p)
		}
		if n := r.srv.hand.count.Load(); n < 200 || n > 320 {
			t.Errorf("%d on their way; 400 would refuse", n)
		}
		release()
		time.Sleep(time.Minute)
		for _, p := range peers {
			if got := strings.Count(p.take(), "PUBACK"); got != 150 {
				t.Errorf("%d acknowledged", got)
			}
		}
		if n, b := r.srv.hand.count.Load(), r.srv.hand.bytes.Load(); n != 0 || b != 0 {
			t.Errorf("%d and %d bytes left", n, b)
		}
	})
}

// The clients with most bytes waiting go first, and no more of them than needed.
func TestShed(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		sizes := []int{10_000, 300_000, 40_000, 200_000, 100}
		var peers []*peer
		for i, size := range sizes {
			p := r.dial(packet.V5, true, nil).send(connect(packet.V5, fmt.Sprint("c", i)))
			head := make([]byte, 5) // CONNACK begins with 0x20 and its length
			if _, err := p.conn.Read(head[:2]); err != nil {
				t.Fatal(err)
			}
			if _, err := p.conn.Read(make([]byte, head[1])); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			tmpl, err := packet.NewTemplate(pub(0, 0, "t", strings.Repeat("x", size)), packet.V5)
			if err != nil {
				t.Fatal(err)
			}
			r.deliver.last().link.SendDelivery(tmpl, packet.Delivery{})
			synctest.Wait()
			peers = append(peers, p)
		}
		if n := int(testutil.ToFloat64(gaugeFunc(r.srv.waiting))); n < 550_000 || n > 560_000 {
			t.Errorf("%d bytes seen waiting", n)
		}
		if n := r.srv.Shed(400_000); n != 2 {
			t.Errorf("%d shed, want 2", n)
		}
		time.Sleep(3 * time.Second) // the write under way may end first
		for i, p := range peers {
			select {
			case <-p.served:
				if i != 1 && i != 3 {
					t.Errorf("client %d of %d bytes was disconnected", i, sizes[i])
				}
			default:
				if i == 1 || i == 3 {
					t.Errorf("client %d of %d bytes is still there", i, sizes[i])
				}
			}
		}
		if n := r.srv.Shed(1 << 40); n != 1 { // the others are not worth it
			t.Errorf("%d shed, want 1", n)
		}
		if n := testutil.ToFloat64(r.srv.metrics.slows.WithLabelValues(slowMemory)); n != 3 {
			t.Errorf("%v counted", n)
		}
	})
}

// A client that reads on is told, behind the packet that is on its way; what waited is dropped.
func TestShedIsTold(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		p := r.dial(packet.V5, true, nil).send(connect(packet.V5, "a"))
		read := make(chan []byte, 1)
		synctest.Wait()
		for i := range 3 {
			tmpl, err := packet.NewTemplate(pub(0, 0, "t", strings.Repeat(fmt.Sprint(i), 50_000)), packet.V5)
			if err != nil {
				t.Fatal(err)
			}
			r.deliver.last().link.SendDelivery(tmpl, packet.Delivery{})
		}
		if n := r.srv.Shed(1); n != 1 {
			t.Fatalf("%d shed", n)
		}
		go func() {
			var all []byte
			for b := make([]byte, 1000); ; {
				n, err := p.conn.Read(b)
				if all = append(all, b[:n]...); err != nil {
					read <- all
					return
				}
			}
		}()
		dec := packet.NewDecoder(bytes.NewReader(<-read), 0)
		dec.SetVersion(packet.V5)
		var got []string
		for {
			q, err := dec.Next()
			if err != nil {
				break
			}
			got = append(got, q.Type().String())
		}
		equal(t, "packets", got, []string{"CONNACK", "DISCONNECT"})
	})
}

// gaugeFunc makes a figure a collector.
func gaugeFunc(f func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "x"}, f)
}

// What waits for all is bounded: deliveries wait in the log, until who does not read is disconnected.
func TestBudget(t *testing.T) {
	run(t, Config{OutBytes: 100_000}, func(t *testing.T, r *rig) {
		deaf := r.dial(packet.V5, true, nil).send(connect(packet.V5, "deaf"))
		synctest.Wait()
		r.deliver.last().link.Send(&packet.Publish{Topic: "t", Payload: make([]byte, 110_000)})
		reads := r.dial(packet.V5, false, nil).send(connect(packet.V5, "reads"))
		reads.want("CONNACK 00")
		d := r.deliver.last()
		before := d.woken.Load()
		if !d.link.Full() {
			t.Fatal("deliveries go on")
		}
		reads.send(&packet.Pingreq{}).want("PINGRESP") // answers go on
		select {
		case <-deaf.served:
			t.Fatal("disconnected at once")
		default:
		}
		time.Sleep(5 * time.Second)
		<-deaf.served
		synctest.Wait()
		if d.woken.Load() == before || d.link.Full() {
			t.Errorf("woken %d times, full: %v", d.woken.Load()-before, d.link.Full())
		}
		if n := r.srv.budget.bytes.Load(); n != 0 {
			t.Errorf("%d bytes are still counted", n)
		}
		reads.send(&packet.Pingreq{}).want("PINGRESP")
	})
}
