package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/parts"
)

// TestDrain: SIGTERM sends every client away in the way of its protocol and transport, within DRAIN_TIMEOUT, and the
// sessions go on elsewhere at once.
func TestDrain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "DRAIN_TIMEOUT=6s")
		going := f.instances[0]
		v5tcp, v5ws := dialed(t, going.tcp, packet.V5), dialed(t, going.ws(), packet.V5)
		v3tcp, v3ws := dialed(t, going.tcp, packet.V311), dialed(t, going.ws(), packet.V311)
		v5tcp.connect(t, session("v5-tcp"))
		v5ws.connect(t, session("v5-ws"))
		v3tcp.connect(t, session("v3-tcp"))
		v3ws.connect(t, session("v3-ws"))
		v5tcp.subscribe(t, 1, f.topic("x"))
		crowd := make([]*device, 50)
		for n := range crowd {
			crowd[n] = connected(t, f.topic("crowd-%d", n), version(n), []string{going.tcp, going.ws()}[n%2])
		}

		began := time.Now()
		if status := going.terminate(); status != 0 {
			t.Errorf("exit status %d\n%s", status, going.log.tail(20))
		}
		if d := time.Since(began); d > 6*time.Second+stopLimit/2 {
			t.Errorf("drained in %v, DRAIN_TIMEOUT is 6s", d)
		}
		for name, w := range map[string]*wire{"v5 tcp": v5tcp, "v5 ws": v5ws, "v3 tcp": v3tcp, "v3 ws": v3ws} {
			got := w.wantEnd(t)
			if w.v == packet.V5 {
				if len(got) != 1 || got[0].Type() != packet.DISCONNECT || got[0].(*packet.Disconnect).Code != packet.ServerShuttingDown {
					t.Errorf("%s: got %v", name, got)
				}
			} else if len(got) > 0 {
				t.Errorf("%s: got %v", name, got)
			}
		}
		w := dialed(t, f.instances[1].tcp, packet.V5)
		if !w.connect(t, session("v5-tcp")).SessionPresent {
			t.Error("session present is 0 on the other instance")
		}
		publisher := connected(t, "publisher", packet.V5, f.instances[1].tcp)
		publisher.publish(f.topic("x"), 1, "after", nil)
		want[*packet.Publish](t, w)
	})
}

// TestDrainClosesWebSockets: browsers see 1001, going away.
func TestDrainClosesWebSockets(t *testing.T) {
	t.Parallel()
	f := start(t, 1, embedded)
	i := f.instances[0]
	c, _, err := websocket.Dial(t.Context(), i.ws(), &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	must(t, err)
	defer func() { _ = c.CloseNow() }()
	must(t, c.Write(t.Context(), websocket.MessageBinary, connectBytes("MQTT", 4, 2, "browser")))
	_, connack, err := c.Read(t.Context())
	if err != nil || len(connack) != 4 || connack[3] != 0 {
		t.Fatalf("CONNACK % x %v", connack, err)
	}
	closed := make(chan error, 1)
	go func() { _, _, err := c.Read(t.Context()); closed <- err }()
	if status := i.terminate(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if err := take(t, closed); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("closed with %v", err)
	}
}

// TestDrainCrowd sends a crowd of all kinds away by one SIGTERM: both versions, both transports, with wills, with messages in
// flight, and some that do not read. All that read are told and resume elsewhere at once, no will is published, and those
// that do not read hold nothing up.
func TestDrainCrowd(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		clients := scale(100, 300, 2000)
		f := start(t, 2, b, "DRAIN_TIMEOUT=15s") // goodbyes are no slower by that, and a slow machine has time
		going, at := f.instances[0], f.instances[1]
		mourner := f.mourner(at)
		publisher := connected(t, f.first+"-publisher", packet.V5, at.tcp)
		movers := make([]*mover, clients)
		inParts(clients, func(n int) { movers[n] = f.mover(t, n, going) })
		stuck := f.stuck(t, 10, going)
		for n := range 3 {
			publisher.publish(f.topic("crowd"), byte(n%2+1), fmt.Sprint(n), nil)
		}
		for range 64 { // more than sockets take
			publisher.publish(f.topic("flood"), 1, strings.Repeat("x", 128<<10), nil)
		}
		publisher.flushed(soon)

		began := time.Now()
		var work sync.WaitGroup
		for _, m := range movers {
			work.Go(func() { m.move(t, f, at, began) })
		}
		status := going.terminate()
		drained := time.Since(began)
		if status != 0 {
			t.Errorf("exit status %d", status)
		}
		work.Wait()
		var told, resumed []time.Duration
		for _, m := range movers {
			told, resumed = append(told, m.told), append(resumed, m.resumed)
		}
		for _, c := range stuck {
			_ = c.Close()
		}
		slices.Sort(told)
		slices.Sort(resumed)
		t.Logf("%d clients told within %v (p50 %v), process gone after %v, CONNECT to CONNACK elsewhere p50 %v, p99 %v", clients,
			told[clients-1].Round(time.Millisecond), told[clients/2].Round(time.Millisecond), drained.Round(time.Millisecond),
			resumed[clients/2], resumed[clients*99/100])
		mourner.publish(f.topic("will/none"), 1, "", nil)
		gotExactly(t, mourner, "", []string{""})
	})
}

// inParts calls fn for 0 to n-1, some at a time.
func inParts(n int, fn func(int)) {
	var work sync.WaitGroup
	for part := range 16 {
		work.Go(func() {
			for i := part; i < n; i += 16 {
				fn(i)
			}
		})
	}
	work.Wait()
}

// mover is a client that goes where it is told to.
type mover struct {
	n             int
	w             *wire
	told, resumed time.Duration // since SIGTERM; from CONNECT to CONNACK
}

func (f *fleet) mover(t *testing.T, n int, at *instance) *mover {
	m := &mover{n: n, w: f.mortal(t, []string{at.tcp, at.ws()}[n/2%2], version(n), fmt.Sprintf("moves-%d", n), kept)}
	m.w.subscribe(t, 2, f.topic("crowd"))
	return m
}

// move waits for the end and connects elsewhere, where the messages that are not acknowledged come again.
func (m *mover) move(t *testing.T, f *fleet, to *instance, began time.Time) {
	got := m.w.wantEnd(t)
	m.told = time.Since(began)
	if m.w.v == packet.V5 {
		d, ok := got[max(0, len(got)-1)].(*packet.Disconnect)
		if !ok || d.Code != packet.ServerShuttingDown {
			t.Errorf("client %d was told %v", m.n, got)
		}
		got = got[:len(got)-1]
	}
	at := time.Now()
	w, ack := m.arrive(t, f, to)
	if ack == nil || !ack.SessionPresent {
		t.Errorf("client %d: CONNACK %+v", m.n, ack)
		return
	}
	m.resumed = time.Since(at)
	for range 3 {
		p := want[*packet.Publish](t, w)
		if len(got) == 3 && !p.DUP {
			t.Errorf("client %d: %q came before, and again without DUP", m.n, p.Payload)
		}
	}
}

// arrive connects, again where the instance says that it is busy: on a loaded machine its servers may answer late.
func (m *mover) arrive(t *testing.T, f *fleet, to *instance) (*wire, *packet.Connack) {
	for end := time.Now().Add(soon); ; time.Sleep(100 * time.Millisecond) {
		w := dialed(t, []string{to.tcp, to.ws()}[m.n/2%2], m.w.v)
		c := session(fmt.Sprintf("%s-moves-%d", f.first, m.n))
		c.Version = w.v
		w.send(&c)
		ack := want[*packet.Connack](t, w)
		if ack == nil || !ack.Code.Failed() || time.Now().After(end) {
			return w, ack
		}
		w.cut()
	}
}

// stuck are connections that subscribe to a flood and then read nothing.
func (f *fleet) stuck(t *testing.T, n int, at *instance) []net.Conn {
	t.Helper()
	var list []net.Conn
	for i := range n {
		w := dialed(t, at.tcp, packet.V311)
		w.connect(t, session(fmt.Sprintf("%s-stuck-%d", f.first, i)))
		w.subscribe(t, 1, f.topic("flood"))
		w.cut()
		c, err := net.Dial("tcp", at.tcp)
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		connect := session(fmt.Sprintf("%s-stuck-%d", f.first, i))
		connect.Version = packet.V311
		b, err := connect.Append(nil, packet.V311)
		must(t, err)
		_, err = c.Write(b)
		must(t, err)
		list = append(list, c)
	}
	return list
}

// TestDrainTwice: a second SIGTERM ends the drain of a crowd at once. To the clients that is a crash at worst: nothing
// acknowledged is lost.
func TestDrainTwice(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "DRAIN_TIMEOUT=60s")
		c := newCrowd(f, seeds(t, 1)[0], 2, 3, 3, scale(10, 20, 100))
		c.publish(c.total()/2, func() {
			going := f.instances[0]
			must(t, going.cmd.Process.Signal(syscall.SIGTERM))
			eventually(t, soon, func() error {
				if !strings.Contains(going.log.String(), `"draining"`) {
					return errors.New("not draining")
				}
				return nil
			})
			if status := going.terminate(); status != 0 {
				t.Errorf("exit status %d", status)
			}
		})
		c.check()
	})
}

// TestDrainWithoutRedis: sessions cannot be released, so the instance waits as long as it may, and its clients do not: they
// are told. Newcomers are asked elsewhere meanwhile. The second signal, or the deadline, ends it with words in the log.
func TestDrainWithoutRedis(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, timeout string
		twice         bool
		words         string
	}{
		{"second signal", "60s", true, "at the second signal"},
		{"deadline", "4s", false, "DRAIN_TIMEOUT is over"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := prepare(t, mini, "DRAIN_TIMEOUT="+tt.timeout)
			p := parts.Proxy(t, f.redis)
			i := f.add("REDIS_URL=redis://" + p.Addr)
			i.ready()
			v5, v3 := dialed(t, i.tcp, packet.V5), dialed(t, i.ws(), packet.V311)
			v5.connect(t, session("v5"))
			v3.connect(t, session("v3"))
			p.Cut()
			must(t, i.cmd.Process.Signal(syscall.SIGTERM))
			for name, w := range map[string]*wire{"v5": v5, "v3": v3} {
				got := w.wantEnd(t)
				if w.v == packet.V5 && (len(got) != 1 || got[0].(*packet.Disconnect).Code != packet.ServerShuttingDown) || w.v != packet.V5 && len(got) > 0 {
					t.Errorf("%s got %v", name, got)
				}
			}
			if tt.twice {
				must(t, i.cmd.Process.Signal(syscall.SIGTERM))
			}
			select {
			case <-i.exited:
			case <-time.After(soon):
				t.Fatal("does not end")
			}
			if status := i.cmd.ProcessState.ExitCode(); status != 0 {
				t.Errorf("exit status %d", status)
			}
			if end := i.log.tail(6); !strings.Contains(end, tt.words) { // with the race detector a process lives a second longer
				t.Errorf("the log ends with %s", end)
			}
		})
	}
}

// TestDrainAfterLapse: an instance that has lost its lease and is then told to stop ends as any other.
func TestDrainAfterLapse(t *testing.T) {
	t.Parallel()
	f := prepare(t, mini, "DRAIN_TIMEOUT=4s")
	p := parts.Proxy(t, f.redis)
	i := f.add("REDIS_URL=redis://" + p.Addr)
	other := f.add()
	i.ready()
	other.ready()
	w := dialed(t, i.tcp, packet.V5)
	w.connect(t, session("client"))
	p.Cut()
	got := w.wantEnd(t) // when the lease is over
	if len(got) != 1 || got[0].(*packet.Disconnect).Code != packet.ServerBusy {
		t.Errorf("got %v", got)
	}
	if status := i.terminate(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	again := dialed(t, other.tcp, packet.V5)
	if !again.connect(t, session("client")).SessionPresent {
		t.Error("session present is 0")
	}
}

// TestStopWhileStarting: SIGTERM at any moment of the start ends the process, with Redis and without.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	f := prepare(t, mini)
	binary, err := f.binary()
	must(t, err)
	for n := range scale(4, 12, 60) {
		redis := f.redis
		if n%2 == 1 {
			redis = "127.0.0.1:1"
		}
		log := newLogBuffer()
		cmd := exec.Command(binary)
		cmd.Env = append(clean(os.Environ()), append(slices.Clone(f.env), "PORT=0", "BIND_ADDR=127.0.0.1", "MQTT_TCP_ADDR=127.0.0.1:0",
			"LOG_FORMAT=json", "REDIS_URL=redis://"+redis)...)
		cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, dieWithParent()
		must(t, cmd.Start())
		<-time.After(time.Duration(n/2*25) * time.Millisecond) // the moment
		must(t, cmd.Process.Signal(syscall.SIGTERM))
		exited := make(chan error, 1)
		go func() { exited <- cmd.Wait() }()
		select {
		case <-exited:
		case <-time.After(soon):
			_ = cmd.Process.Kill()
			t.Fatalf("does not end\n%s", log.tail(20))
		}
		status := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if killed := status.Signaled() && status.Signal() == syscall.SIGTERM; status.ExitStatus() != 0 && !killed { // it came before any code of ours
			t.Errorf("%v\n%s", cmd.ProcessState, log.tail(20))
		}
		if bad := log.trouble(); bad != "" {
			t.Error(bad)
		}
	}
}
