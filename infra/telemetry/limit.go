package telemetry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// Bounds of warnings and errors that repeat: what fails for one client fails for thousands.
const (
	limitBurst = 20               // lines with the same words
	limitTime  = 10 * time.Second // in this time
	limitWords = 512              // that are told apart; beyond, all are written
)

// limiter holds back warnings and errors with words that were logged often a moment ago. The first line after that says
// how many it held back, as "suppressed". Info and debug lines pass: connects and packets are no repetition.
type limiter struct {
	slog.Handler
	seen *seen
}

// seen is shared by all handlers made of one.
type seen struct {
	now func() time.Time

	mu    sync.Mutex // protects words
	words map[string]*spell
}

// spell is limitTime of one line's words.
type spell struct {
	began      time.Time
	lines      int
	suppressed int
}

func newLimiter(h slog.Handler, now func() time.Time) limiter {
	return limiter{h, &seen{now: now, words: map[string]*spell{}}}
}

// Handle implements slog.Handler.
func (l limiter) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelWarn {
		return l.Handler.Handle(ctx, r)
	}
	suppressed, ok := l.seen.admit(r.Message)
	if !ok {
		return nil
	}
	if suppressed > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("suppressed", suppressed))
	}
	return l.Handler.Handle(ctx, r)
}

// admit reports whether a line with the words may be written, and how many were not before it.
func (s *seen) admit(words string) (suppressed int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	one := s.words[words]
	if one == nil {
		if len(s.words) >= limitWords {
			return 0, true
		}
		one = &spell{began: now}
		s.words[words] = one
	}
	if now.Sub(one.began) >= limitTime {
		suppressed = one.suppressed
		*one = spell{began: now}
	}
	if one.lines >= limitBurst {
		one.suppressed++
		return 0, false
	}
	one.lines++
	return suppressed, true
}

// WithAttrs implements slog.Handler.
func (l limiter) WithAttrs(attrs []slog.Attr) slog.Handler {
	l.Handler = l.Handler.WithAttrs(attrs)
	return l
}

// WithGroup implements slog.Handler.
func (l limiter) WithGroup(name string) slog.Handler {
	l.Handler = l.Handler.WithGroup(name)
	return l
}
