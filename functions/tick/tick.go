// Package tick lets a scheduler run what waits for an instance: POST /v1/tick.
//
// Where instances scale to zero nobody is there to publish a will whose time has come, or to end a session. A scheduler
// that calls one, say once a minute, starts it and gives it the time: the answer comes when the work is done, since a
// platform may take the processor away behind it.
//
// Any number may call at once. One run is under way at most; who comes during it waits for the next one, which begins
// after all who wait for it came.
package tick

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Task is one kind of work.
type Task struct {
	Name string
	// Run does what is due now, until there is no more or ctx ends. What it did before an error counts.
	Run func(ctx context.Context) (Done, error)
}

// Done is what a task did.
type Done struct {
	Counts map[string]int // how many of what
	More   bool           // not everything that is due was done
}

// Config of a Handler; Token is to be set where anybody else can call.
type Config struct {
	Token  string        // callers say Authorization: Bearer <Token>; "" lets everybody in
	Limit  time.Duration // of one run; 0 is 25 s
	Queue  int           // callers that may wait at once; 0 is 64
	Logger *slog.Logger  // nil: nothing is logged
}

// Handler serves POST /v1/tick. It is safe for concurrent use.
type Handler struct {
	cfg   Config
	token [sha256.Size]byte
	tasks []Task
	runs  *runs
	seats chan struct{}
}

var _ http.Handler = (*Handler)(nil)

// New returns a handler that runs tasks in their order. It has no goroutine while nobody calls.
func New(cfg Config, tasks ...Task) *Handler {
	if cfg.Limit <= 0 {
		cfg.Limit = 25 * time.Second
	}
	if cfg.Queue <= 0 {
		cfg.Queue = 64
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Handler{cfg: cfg, token: sha256.Sum256([]byte(cfg.Token)), tasks: tasks, seats: make(chan struct{}, cfg.Queue)}
	h.runs = newRuns(h.run)
	return h
}

// Stop ends a run under way; later calls are refused. It does not wait.
func (h *Handler) Stop() { h.runs.stop() }

// Wait returns when nothing runs any more. Call it after Stop.
func (h *Handler) Wait() { h.runs.all.Wait() }

// ServeHTTP implements http.Handler. The request's body is not read.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	switch {
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		problem(w, http.StatusMethodNotAllowed, "use POST", nil)
		return
	case !h.allowed(r):
		w.Header().Set("WWW-Authenticate", `Bearer realm="lmqgate"`)
		problem(w, http.StatusUnauthorized, "say Authorization: Bearer with the token that the gateway has in TICK_TOKEN", nil)
		return
	}
	select {
	case h.seats <- struct{}{}:
		defer func() { <-h.seats }()
	default:
		w.Header().Set("Retry-After", "5")
		problem(w, http.StatusTooManyRequests, "too many callers wait already", nil)
		return
	}
	done, err := h.runs.join(r.Context())
	switch {
	case err != nil:
		unavailable(w, "the run was cut short", nil)
	case len(done.Failed) > 0:
		unavailable(w, "a part could not be done and is done later; the log says why", done)
	default:
		reply(w, http.StatusOK, "application/json", done)
	}
}

func unavailable(w http.ResponseWriter, detail string, done *Result) {
	w.Header().Set("Retry-After", strconv.Itoa(10))
	problem(w, http.StatusServiceUnavailable, detail, done)
}

// allowed compares in a time that tells nothing of the token.
func (h *Handler) allowed(r *http.Request) bool {
	if h.cfg.Token == "" {
		return true
	}
	scheme, said, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(said)))
	return subtle.ConstantTimeCompare(sum[:], h.token[:]) == 1 && strings.EqualFold(scheme, "Bearer")
}

// run does every task once. One that fails keeps no other from its work.
func (h *Handler) run(ctx context.Context) *Result {
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Limit)
	defer cancel()
	began := time.Now()
	res := &Result{Complete: true, Done: make(map[string]map[string]int)}
	for _, task := range h.tasks {
		done, err := task.Run(ctx)
		if done.Counts == nil {
			done.Counts = map[string]int{}
		}
		res.Done[task.Name] = done.Counts
		if done.More || err != nil {
			res.Complete = false
		}
		if err != nil && ctx.Err() == nil { // running out of time is no failure
			res.Failed = append(res.Failed, task.Name)
			h.cfg.Logger.Warn("a tick did not do everything", "task", task.Name, "error", err)
		}
	}
	res.Millis = time.Since(began).Milliseconds()
	return res
}
