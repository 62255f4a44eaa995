// Package will publishes wills whose time has come: each exactly once, whoever dies on the way.
//
// The store hands out a will with a claim that lapses (session.DueWill). The life of one here: it waits for one of a bounded
// number of places under way, is given to a lane of its own, the lane names the place where it is going to send it, that
// is recorded with the store (which also says whether the claim still holds), it is sent, and the store forgets it.
// If anything fails before the last step the will is left alone: its claim lapses and somebody is given it again, with the
// recorded place, so that the lane looks there before it sends.
//
// Two claimants must not send at the same time. So a publication ends by itself, unsent, once Config.Fence has passed
// since the claim was last confirmed, which is well before session.ClaimTime has; while it is under way the claim is
// confirmed again and again.
package will

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// errClosed ends publications that Close gave up.
var errClosed = errors.New("publisher of wills is closed")

// Config tunes a Publisher; the zero value is sane.
type Config struct {
	// Fence is how long after the claim was last confirmed a will may be sent; at most a third of session.ClaimTime, since
	// what was sent has to be found by the next claimant. Default 3 s.
	Fence time.Duration
	// Waiting and WaitingBytes bound the wills that are held, waiting or under way or not yet forgotten; default 4096 and
	// 32 MiB. What comes beyond is left to be handed out again.
	Waiting      int
	WaitingBytes int64
	Parallel     int // publications under way, default 256
	Workers      int // calls of PlaceWill under way, default 16

	Now        func() time.Time // nil: time.Now
	Logger     *slog.Logger     // nil: nothing is logged
	Registerer prometheus.Registerer
}

func (c Config) withDefaults() Config {
	if c.Fence <= 0 {
		c.Fence = 3 * time.Second
	}
	c.Fence = min(c.Fence, session.ClaimTime/3)
	if c.Waiting <= 0 {
		c.Waiting = 4096
	}
	if c.WaitingBytes <= 0 {
		c.WaitingBytes = 32 << 20
	}
	if c.Parallel <= 0 {
		c.Parallel = 256
	}
	if c.Workers <= 0 {
		c.Workers = 16
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Publisher publishes the wills that one instance was given. It is safe for concurrent use; Close ends it.
type Publisher struct {
	store   session.Wills
	lanes   message.Lanes
	cfg     Config
	metrics *metrics
	placers workers // calls of PlaceWill
	keeper  workers // one, while there is something to forget

	ctx  context.Context // of calls to the store; ends when Close gives up
	stop context.CancelFunc

	mu       sync.Mutex // protects all below
	waiting  []session.DueWill
	underWay map[*job]struct{}
	done     []session.DueWill // published, to be forgotten
	keeping  bool              // a goroutine is in forget
	filling  bool              // a goroutine is in fill and will see what changes
	held     int               // waiting, under way and done
	bytes    int64             // of what is held
	left     uint64            // given up, to be handed out again
	closed   bool
	idle     chan struct{} // nil unless somebody waits; closed once nothing is held
}

// New returns a Publisher. It has no goroutine while there is nothing to publish.
func New(store session.Wills, lanes message.Lanes, cfg Config) *Publisher {
	cfg = cfg.withDefaults()
	ctx, stop := context.WithCancel(context.Background())
	return &Publisher{
		store: store, lanes: lanes, cfg: cfg, metrics: newMetrics(cfg.Registerer), ctx: ctx, stop: stop,
		placers: workers{limit: cfg.Workers}, keeper: workers{limit: 1}, underWay: make(map[*job]struct{}),
	}
}

// Publish takes wills that were claimed just now. It never blocks. Those beyond the bounds, and all after Close, are left
// to be handed out again. Their messages must not change any more.
func (p *Publisher) Publish(wills ...session.DueWill) {
	left := 0
	p.mu.Lock()
	for _, w := range wills {
		if p.closed || p.held >= p.cfg.Waiting || p.bytes >= p.cfg.WaitingBytes {
			left++
			continue
		}
		p.held++
		p.bytes += cost(&w)
		p.waiting = append(p.waiting, w)
	}
	p.left += uint64(left)
	p.mu.Unlock()
	if left > 0 {
		p.metrics.turnedAway.Add(float64(left))
		p.cfg.Logger.Warn("too many wills at once, they are published a little later", "wills", left)
	}
	p.fill()
}

// cost is what a will is taken to need of memory.
func cost(w *session.DueWill) int64 {
	const overhead = 1024
	return int64(overhead + len(w.Message.Payload) + len(w.Message.Topic) + len(w.ClientID))
}

// release lets a will go. p.mu is held.
func (p *Publisher) release(w *session.DueWill) {
	p.held--
	p.bytes -= cost(w)
	if p.held == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}

// fill begins waiting publications while there is room for them. A lane may end one before it returns: then it is
// called again from within, and leaves the rest to the outer call.
func (p *Publisher) fill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.filling {
		return
	}
	p.filling = true
	for len(p.waiting) > 0 && len(p.underWay) < p.cfg.Parallel {
		j := &job{p: p, will: p.waiting[0]}
		p.waiting[0] = session.DueWill{}
		p.waiting = p.waiting[1:]
		p.underWay[j] = struct{}{}
		p.mu.Unlock()
		j.begin()
		p.mu.Lock()
	}
	if len(p.waiting) == 0 {
		p.waiting = nil
	}
	p.filling = false
}

// whenIdle is closed once nothing is held. p.mu is held.
func (p *Publisher) whenIdle() <-chan struct{} {
	if p.held == 0 {
		idle := make(chan struct{})
		close(idle)
		return idle
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	return p.idle
}

// Wait returns when nothing is held: every will was published and forgotten, or is left to be handed out again. When ctx
// ends first it returns how many still are.
func (p *Publisher) Wait(ctx context.Context) (held int) {
	p.mu.Lock()
	idle := p.whenIdle()
	p.mu.Unlock()
	select {
	case <-idle:
		return 0
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.held
}

// Left is how many wills were so far left to be handed out again.
func (p *Publisher) Left() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// Close takes no more wills and waits until those it has are published and forgotten. When ctx ends first the rest is
// left to be handed out again, and the error says how many. Afterwards nothing of it runs any more, and publications
// that the lanes still have are not sent. Call it before the lanes and the store are closed.
func (p *Publisher) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	idle := p.whenIdle()
	p.mu.Unlock()
	var err error
	select {
	case <-idle:
	case <-ctx.Done():
		err = fmt.Errorf("close publisher of wills: %d left: %w", p.giveUp(), ctx.Err())
	}
	p.stop()
	p.placers.close()
	p.keeper.close()
	return err
}

// giveUp lets everything go that can be handed out again.
func (p *Publisher) giveUp() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := p.held
	p.waiting, p.done = nil, nil
	if p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
	for j := range p.underWay {
		j.giveUp()
	}
	return left
}
