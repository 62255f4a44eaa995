package web

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// EdgeConfig of an Edge. The zero value is sane.
type EdgeConfig struct {
	// Origins are the pages of other sites that may call: patterns as path.Match takes them, of a host or of scheme://host;
	// "*" is any page.
	Origins []string
	// MaxBody is the most that a function reads of one body, in bytes; 0 is 1 MiB.
	MaxBody int64
	// MaxBytes bounds the bodies of all requests under way, in bytes; 0 is 64 MiB. Beyond it a request is answered 503.
	MaxBytes   int64
	Now        func() time.Time // nil: time.Now
	Logger     *slog.Logger     // nil: nothing is logged
	Registerer prometheus.Registerer
}

// Edge stands before all functions: it decides which pages may call (CORS), bounds bodies, names and counts requests,
// and turns a panic into an answer. Safe for concurrent use.
type Edge struct {
	cfg     EdgeConfig
	metrics *edgeMetrics
	bytes   atomic.Int64 // of bodies under way

	mu     sync.Mutex    // protects the fields below
	active int           // requests under way
	idle   chan struct{} // closed when there are none; nil: nobody waits
}

// NewEdge returns an Edge.
func NewEdge(cfg EdgeConfig) *Edge {
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = 1 << 20
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 64 << 20
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Edge{cfg: cfg, metrics: newEdgeMetrics(cfg.Registerer)}
}

// Wrap puts the edge before a function. The name is a label of metrics.
func (e *Edge) Wrap(function string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := e.cfg.Now()
		e.begin()
		defer e.end()
		r = withRequestID(w, r)
		a := &answer{ResponseWriter: w, headed: func(status int) {
			e.metrics.answered(function, status, e.cfg.Now().Sub(began))
		}}
		defer e.recovered(a, r, function)
		if !e.cors(a, r) {
			return
		}
		leave, ok := e.enter(r)
		if !ok {
			Later(http.StatusServiceUnavailable, 1, "too many requests are under way, try again").Write(a)
			return
		}
		defer leave()
		next.ServeHTTP(a, r)
		a.head(http.StatusOK) // net/http answers so for a handler that wrote nothing
	})
}

// Wait returns when no request is under way, or with ctx's error. It keeps none away: whoever drains sees to that.
func (e *Edge) Wait(ctx context.Context) error {
	e.mu.Lock()
	if e.active == 0 {
		e.mu.Unlock()
		return nil
	}
	if e.idle == nil {
		e.idle = make(chan struct{})
	}
	idle := e.idle
	e.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (e *Edge) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.active++
}

func (e *Edge) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.active--; e.active == 0 && e.idle != nil {
		close(e.idle)
		e.idle = nil
	}
}

// enter takes room for the request's body. One whose length is not said takes as much as is read of it at most.
func (e *Edge) enter(r *http.Request) (leave func(), ok bool) {
	size := r.ContentLength
	if size < 0 || size > e.cfg.MaxBody {
		size = e.cfg.MaxBody
	}
	if e.bytes.Add(size) > e.cfg.MaxBytes && size > 0 {
		e.bytes.Add(-size)
		return nil, false
	}
	return func() { e.bytes.Add(-size) }, true
}

// recovered answers a panic, or ends the connection if an answer has begun, so that nobody takes it for a whole one.
func (e *Edge) recovered(a *answer, r *http.Request, function string) {
	what := recover()
	if what == nil {
		return
	}
	if what == http.ErrAbortHandler {
		panic(what)
	}
	e.metrics.panics.Inc()
	e.cfg.Logger.Error("an HTTP function panicked", "function", function, "request_id", RequestID(r.Context()), "panic", what, "stack", string(debug.Stack()))
	if a.begun {
		panic(http.ErrAbortHandler)
	}
	Fail(a, nil)
}

// answer tells when the head of an answer is written.
type answer struct {
	http.ResponseWriter
	headed func(status int)
	begun  bool
}

// Unwrap lets http.ResponseController through.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK { // 1xx are none
		a.head(status)
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	a.head(http.StatusOK)
	return a.ResponseWriter.Write(b)
}

func (a *answer) head(status int) {
	if !a.begun {
		a.begun = true
		a.headed(status)
	}
}
