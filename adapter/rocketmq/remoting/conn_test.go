package remoting

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// peer is the other end of a Conn: it hands out requests and takes responses.
type peer struct {
	nc       net.Conn
	requests chan *Command
}

// pair returns a connected Conn and its peer; both are closed by close.
func pair(t *testing.T, cfg DialConfig) (c *Conn, p *peer) {
	t.Helper()
	ours, theirs := net.Pipe()
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) { return ours, nil }
	c, err := Dial(t.Context(), "pipe", cfg)
	if err != nil {
		t.Fatal(err)
	}
	p = &peer{theirs, make(chan *Command, 100_000)}
	go func() {
		defer close(p.requests)
		r := bufio.NewReader(theirs)
		for {
			frame, err := ReadFrame(r, MaxFrame)
			if err != nil {
				return
			}
			cmd, err := Decode(frame)
			if err != nil {
				return
			}
			p.requests <- cmd
		}
	}()
	t.Cleanup(func() {
		c.Close()
		theirs.Close()
		<-c.Done()
	})
	return c, p
}

func (p *peer) answer(t *testing.T, cmd *Command, body string) {
	t.Helper()
	r := cmd.Response(Success, "")
	r.Body = []byte(body)
	frame, err := r.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.nc.Write(frame); err != nil {
		t.Fatal(err)
	}
}

func TestDoOutOfOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pair(t, DialConfig{})
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				want := fmt.Sprint(i)
				got, err := c.Do(t.Context(), NewRequest(GetMaxOffset, map[string]string{"i": want}, nil))
				if err != nil || string(got.Body) != want {
					t.Errorf("%v, %v", got, err)
				}
			})
		}
		var all []*Command
		for range 3 {
			all = append(all, <-p.requests)
		}
		for i := range all {
			cmd := all[len(all)-1-i]
			p.answer(t, cmd, cmd.Ext["i"])
		}
		wg.Wait()
		if n := c.Waiting(); n != 0 {
			t.Errorf("%d still waiting", n)
		}
	})
}

func TestTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pair(t, DialConfig{})
		began := time.Now()
		ended := make(chan time.Duration, 10_000)
		timeouts := []time.Duration{0, 50 * time.Millisecond, time.Second, 51 * time.Second, 90 * time.Second}
		for _, d := range timeouts {
			c.Go(NewRequest(HeartBeat, nil, nil), d, func(_ *Command, err error) {
				if !errors.Is(err, ErrTimeout) {
					t.Errorf("after %v: %v", d, err)
				}
				ended <- time.Since(began)
			})
		}
		for _, want := range timeouts {
			if got := <-ended; got < want || got > want+2*wheelTick {
				t.Errorf("ended after %v, want %v", got, want)
			}
		}
		p.answer(t, <-p.requests, "late") // has no effect
		if _, err := c.Do(contextWith(t, time.Second), NewRequest(HeartBeat, nil, nil)); err == nil {
			t.Error("answered by nobody")
		}
	})
}

func contextWith(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestCloseEndsAll(t *testing.T) {
	for name, end := range map[string]func(*Conn, *peer){
		"by us":         func(c *Conn, _ *peer) { c.Close() },
		"by peer":       func(_ *Conn, p *peer) { p.nc.Close() },
		"by a bad peer": func(_ *Conn, p *peer) { p.nc.Write([]byte{0xFF, 0xFF, 0xFF, 0xFF}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := pair(t, DialConfig{})
				const n = 20_000
				calls := 0
				var mu sync.Mutex
				for range n {
					c.Go(NewRequest(HeartBeat, nil, nil), time.Hour, func(_ *Command, err error) {
						mu.Lock()
						defer mu.Unlock()
						calls++
						if !errors.Is(err, ErrClosed) || errors.Is(err, ErrNotSent) {
							t.Errorf("ended with %v", err)
						}
					})
				}
				end(c, p)
				<-c.Done()
				if calls != n {
					t.Errorf("%d of %d called back", calls, n)
				}
				_, err := c.Do(t.Context(), NewRequest(HeartBeat, nil, nil))
				if !errors.Is(err, ErrNotSent) || !errors.Is(err, ErrClosed) {
					t.Errorf("afterwards: %v", err)
				}
				if err := c.Oneway(NewRequest(HeartBeat, nil, nil)); !errors.Is(err, ErrNotSent) {
					t.Errorf("afterwards: %v", err)
				}
			})
		})
	}
}

// TestBacklog: a peer that does not read costs bounded memory.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe() // nobody reads theirs
		defer theirs.Close()
		c, err := Dial(t.Context(), "pipe", DialConfig{MaxBuffered: 1000, Dial: func(context.Context, string, string) (net.Conn, error) { return ours, nil }})
		if err != nil {
			t.Fatal(err)
		}
		errs := make(chan error, 100)
		for range 100 {
			c.Go(NewRequest(HeartBeat, nil, make([]byte, 100)), time.Hour, func(_ *Command, err error) { errs <- err })
			synctest.Wait()
		}
		refused := len(errs)
		if refused < 80 {
			t.Errorf("%d refused", refused)
		}
		for range refused {
			if err := <-errs; !errors.Is(err, ErrBacklog) || !errors.Is(err, ErrNotSent) {
				t.Error(err)
			}
		}
		<-c.Done() // the write deadline ends it
		if len(errs) != 100-refused {
			t.Errorf("%d of %d others called back", len(errs), 100-refused)
		}
	})
}

func TestPeerRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := make(chan *Command, 1)
		_, p := pair(t, DialConfig{OnRequest: func(c *Command) { got <- c }})
		frame, _ := NewRequest(NotifyConsumerIDsChanged, nil, nil).Append(nil)
		p.nc.Write(frame)
		if c := <-got; c.Code != NotifyConsumerIDsChanged {
			t.Errorf("%+v", c)
		}
	})
}

func TestOneway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pair(t, DialConfig{Credentials: Credentials{"ak", "sk"}})
		if err := c.Oneway(NewRequest(HeartBeat, nil, nil)); err != nil {
			t.Fatal(err)
		}
		got := <-p.requests
		if !got.IsOneway() || got.Ext[FieldSignature] == "" || c.Waiting() != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestCanceledDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pair(t, DialConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := c.Do(ctx, NewRequest(HeartBeat, nil, nil))
			done <- err
		}()
		cmd := <-p.requests
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		p.answer(t, cmd, "late")
		if n := c.Waiting(); n != 0 {
			t.Errorf("%d waiting", n)
		}
	})
}

func BenchmarkGo(b *testing.B) {
	b.ReportAllocs()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		r := bufio.NewReader(nc)
		for {
			frame, err := ReadFrame(r, MaxFrame)
			if err != nil {
				return
			}
			cmd, _ := Decode(frame)
			out, _ := cmd.Response(PullNotFound, "").Append(nil)
			nc.Write(out)
		}
	}()
	c, err := Dial(b.Context(), l.Addr().String(), DialConfig{})
	if err != nil {
		b.Fatal(err)
	}
	p := PullRequest{Group: "%LMQ%g", Topic: "%LMQ%a%b%", Broker: "broker-a", Offset: 12345, Max: 32, SuspendMillis: 30000}
	done := make(chan struct{}, 1)
	for b.Loop() {
		c.GoPull(&p, time.Second, func(*Command, error) { done <- struct{}{} })
		<-done
	}
	c.Close()
	<-c.Done()
}
