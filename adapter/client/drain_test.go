package client

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
)

// ends keeps when clients were told to go, and with what.
type ends struct {
	start time.Time
	mu    sync.Mutex // protects what follows
	at    []time.Duration
	codes map[packet.ReasonCode]int
}

func newEnds() *ends { return &ends{start: time.Now(), codes: map[packet.ReasonCode]int{}} }

func (e *ends) see(p packet.Packet) {
	d, ok := p.(*packet.Disconnect)
	if !ok {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at = append(e.at, time.Since(e.start))
	e.codes[d.Code]++
}

// most is the largest number that fell into one span of that length.
func (e *ends) most(span time.Duration) int {
	bins, most := map[time.Duration]int{}, 0
	for _, at := range e.at {
		bins[at/span]++
		most = max(most, bins[at/span])
	}
	return most
}

// crowd connects n clients of version 5.0.
func (r *rig) crowd(n int, e *ends) {
	for i := range n {
		r.dial(v5, false, e.see).send(connect(v5, fmt.Sprint("c", i), lasting))
	}
	synctest.Wait()
	if got := r.srv.Len(); got != n {
		r.t.Fatalf("%d clients", got)
	}
}

// TestDrainRate: 1,000 clients are told over the five seconds that are for it, evenly; a few need not wait so long.
func TestDrainRate(t *testing.T) {
	for _, tt := range []struct {
		clients, most int           // most in a tenth of a second
		after, before time.Duration // that the last is told
	}{
		{1000, 21, 4900 * time.Millisecond, 5100 * time.Millisecond},
		{20, 20, 90 * time.Millisecond, 200 * time.Millisecond},
	} {
		run(t, Config{}, func(t *testing.T, r *rig) {
			e := newEnds()
			r.crowd(tt.clients, e)
			ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
			defer cancel()
			if err := r.srv.Drain(ctx, packet.ServerShuttingDown, 5*time.Second); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if n := e.codes[packet.ServerShuttingDown]; n != tt.clients || len(e.at) != n {
				t.Fatalf("%d clients were told: %v", n, e.codes)
			}
			if n := e.most(100 * time.Millisecond); n > tt.most {
				t.Errorf("%d clients within a tenth of a second", n)
			}
			if last := e.at[len(e.at)-1]; last < tt.after || last > tt.before {
				t.Errorf("the last of %d clients after %v", tt.clients, last)
			}
		})
	}
}

// TestDrainRefuses: while it lasts, clients are asked elsewhere, and those that are connected are served.
func TestDrainRefuses(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "here"))
		p.want("CONNACK 00")
		r.srv.Refuse()
		r.dial(v5, false, nil).send(connect(v5, "new")).want("CONNACK 9c, closed 9c")
		r.dial(packet.V311, false, nil).send(connect(packet.V311, "new")).want("CONNACK 03, closed 9c")
		r.dial(v5, false, nil).send(connect(v5, "here")).want("CONNACK 9c, closed 9c")
		p.send(pub(1, 1, "t", "")).want("PUBACK 1")
	})
}

// TestDrainCut: when the time is over, those left are told at once, and it is said how many there were.
func TestDrainCut(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		e := newEnds()
		r.crowd(100, e)
		ctx, cancel := context.WithTimeout(t.Context(), 250*time.Millisecond)
		defer cancel()
		err := r.srv.Drain(ctx, packet.ServerShuttingDown, time.Hour)
		if err == nil || !strings.Contains(err.Error(), "sessions were not released") {
			t.Error(err)
		}
		synctest.Wait()
		if n := e.codes[packet.ServerShuttingDown]; n != 100 {
			t.Errorf("told: %v", e.codes)
		}
	})
}

// TestAges: connections that were opened together are renewed over the last tenth of MAX_CONNECTION_AGE, no second
// seeing many of them, and none later.
func TestAges(t *testing.T) {
	const n, age = 1000, 55 * time.Minute
	run(t, Config{MaxAge: age}, func(t *testing.T, r *rig) {
		e := newEnds()
		r.crowd(n, e)
		time.Sleep(age + 2*time.Second)
		synctest.Wait()
		if got := e.codes[packet.UseAnotherServer]; got != n || len(e.at) != n {
			t.Fatalf("%d clients were told: %v", got, e.codes)
		}
		if first := e.at[0]; first < age*9/10 {
			t.Errorf("the first goes after %v", first)
		}
		if most := e.most(time.Second); most > 20 { // 3 on average
			t.Errorf("%d of %d go within one second", most, n)
		}
		quarters := make([]int, 5) // of the last tenth, and one for the tick that comes after it
		for _, at := range e.at {
			quarters[(at-age*9/10)/(age/40)]++
		}
		for i, got := range quarters[:4] {
			if got < n/8 || got > n*3/8 {
				t.Errorf("quarter %d of the time: %d of %d", i+1, got, n)
			}
		}
	})
}
