package transport

import (
	"math"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Refusal says why a connection is not served: the value of the label "reason". The empty one is none.
type Refusal string

// Refusals of connections that a client could have had. On TCP and TLS the handler gets such a connection, to answer its
// CONNECT and return; WebSockets are answered with 503 before the upgrade.
const (
	RefusedFull   Refusal = refusedFull   // MaxConnections
	RefusedRate   Refusal = refusedRate   // ConnectRate
	RefusedMemory Refusal = refusedMemory // for Config.Admit: the process runs out of memory
)

const (
	// refusalPlaces bounds the connections that are being told why they are refused; beyond it they are only closed.
	refusalPlaces = 64
	// refusalTime is how long such a connection has for its CONNECT.
	refusalTime = 2 * time.Second
	// connectWait is how long a connection beyond the rate may wait for its turn.
	connectWait = 2 * time.Second
)

// bucket is a token bucket whose tokens can be taken in advance, for a wait of connectWait at most.
type bucket struct {
	rate float64 // tokens a second, also the most that gather; 0 = any number

	mu     sync.Mutex // protects what follows
	tokens float64    // below 0: taken in advance
	last   time.Time
}

func newBucket(rate int) *bucket {
	return &bucket{rate: float64(rate), tokens: float64(rate), last: time.Now()}
}

// take takes a token and says how long to wait before it is used; ok is false when that were too long.
func (b *bucket) take() (wait time.Duration, ok bool) {
	if b.rate == 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens = math.Min(b.rate, b.tokens+b.rate*now.Sub(b.last).Seconds())
	b.last = now
	if b.tokens-1 < -b.rate*connectWait.Seconds() {
		return 0, false
	}
	b.tokens--
	return time.Duration(max(0, -b.tokens) / b.rate * float64(time.Second)), true
}

// admit asks whether a client of that address may connect now.
func (s *Server) admit(from netip.Addr) Refusal {
	if s.cfg.Admit == nil {
		return ""
	}
	return s.cfg.Admit(from)
}

// accept starts a connection, or closes it when there is no place for it. It does not block.
func (s *Server) accept(raw net.Conn, k kind, wrap func(net.Conn) net.Conn) {
	tune(raw)
	c := &Conn{srv: s, raw: wrap(raw), kind: k, remote: addrPort(raw.RemoteAddr())}
	wait, ok := s.rate.take()
	v := full
	if ok {
		v = s.reg.reserve()
	}
	switch {
	case v == draining:
		s.turnAway(raw, k, refusedDraining)
		return
	case v == granted:
		c.turn = wait
	case !ok && k == kindTLS: // telling it would cost the very handshake that the rate is to spare
		s.turnAway(raw, k, refusedRate)
		return
	case !s.reg.reserveSpare():
		s.turnAway(raw, k, map[bool]string{true: refusedFull, false: refusedRate}[ok])
		return
	default:
		c.spare, c.turn = true, wait
		c.refused = map[bool]Refusal{true: RefusedFull, false: RefusedRate}[ok]
		s.refusing(k, c.refused)
	}
	c.half = s.halves.enter(c.giveWay)
	s.start(c)
}

// turnAway closes a connection without a word.
func (s *Server) turnAway(raw net.Conn, k kind, reason string) {
	s.refusing(k, Refusal(reason))
	_ = raw.Close()
}

// refusing counts a refusal, and says in the log now and then that there are some.
func (s *Server) refusing(k kind, why Refusal) {
	s.met.refuse(k, string(why))
	if why == refusedDraining {
		return
	}
	if n := s.said.note(why, time.Now()); n > 0 {
		s.log.Warn("refusing connections", "reason", string(why), "refused", n, "open", s.Len())
	}
}

// notice is how often a line about refusals is written for each reason.
const notice = 10 * time.Second

// notices count refusals between lines in the log.
type notices struct {
	mu    sync.Mutex // protects what follows
	since map[Refusal]time.Time
	count map[Refusal]int
}

// note counts one more; over 0 it is the number to be logged now.
func (n *notices) note(why Refusal, now time.Time) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.since == nil {
		n.since, n.count = map[Refusal]time.Time{}, map[Refusal]int{}
	}
	n.count[why]++
	if last, said := n.since[why]; said && now.Sub(last) < notice {
		return 0
	}
	count := n.count[why]
	n.since[why], n.count[why] = now, 0
	return count
}
