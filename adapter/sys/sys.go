package sys

import (
	"context"
	"log/slog"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/status"
)

const (
	lifetimes = 3                // intervals after which what was said is forgotten
	roundMost = 10 * time.Second // bound on one round
	leaveMost = time.Second      // bound on the last words
)

// Matcher finds the filters with a subscriber that match a topic.
type Matcher interface {
	// Match calls done once and does not block; done only reads the slice.
	Match(topic string, done func(filters []string, err error))
}

// Retainer keeps retained messages; see retain.Store.
type Retainer interface {
	SetAll(ctx context.Context, messages []*message.Message) []error
}

// Deps are what a Publisher works with.
type Deps struct {
	Peers   status.Peers
	Retain  Retainer
	Matcher Matcher
	Lanes   message.Lanes // it keeps what is published with retain

	// Figures reads those of this instance; Instance, Version and Uptime are filled in from the Config.
	Figures func() status.Figures
	// Retained counts the topics with a retained message, Sessions the clients that have a session anywhere. Either may
	// be nil: then its topics are left out.
	Retained, Sessions func(ctx context.Context) (int64, error)
}

// Config tunes a Publisher.
type Config struct {
	Instance string        // id of this instance
	Version  string        // of this build
	Interval time.Duration // between two rounds; 0 or less: no status topics
	Now      func() time.Time
	Logger   *slog.Logger
}

// Publisher publishes the status topics of one instance, and those of the cluster while it is its turn.
type Publisher struct {
	deps    Deps
	cfg     Config
	lane    message.Lane
	started time.Time
	failing bool // the last round was not whole; only Run looks at it
}

// New returns a Publisher; Run makes it work. Uptime begins now.
func New(deps Deps, cfg Config) *Publisher {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Publisher{deps: deps, cfg: cfg, lane: deps.Lanes.NewLane(), started: cfg.Now()}
}

// Run publishes at once and then every interval, until ctx ends; then it removes what this instance said of itself and
// returns, a second later at most. What does not succeed is left to the next round.
func (p *Publisher) Run(ctx context.Context) {
	if p.cfg.Interval <= 0 {
		return
	}
	tick := time.NewTicker(p.cfg.Interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		p.note(ctx, p.round(ctx))
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveMost)
	defer cancel()
	if err := p.leave(last); err != nil {
		p.cfg.Logger.Info("status topics stay until they expire", "error", err)
	}
}

// note logs when rounds begin to fail and when they succeed again.
func (p *Publisher) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !p.failing:
		p.failing = true
		p.cfg.Logger.Warn("publishing status topics failed, again in a while", "error", err)
	case err == nil && p.failing:
		p.failing = false
		p.cfg.Logger.Info("status topics are published again")
	}
}
