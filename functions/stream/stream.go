// Package stream lets HTTP callers read what is published to topic filters:
//
//   - GET /v1/stream: Server-Sent Events, or newline-delimited JSON where Accept asks for application/x-ndjson
//   - GET /v1/messages: one page, waited for (long poll)
//
// Both read through message.Reader, so the caller is a client of the gateway like any other, with its rules and limits. Every
// message comes with an id, which is also a position: a caller that shows it, in Last-Event-ID or after=, goes on behind
// that message on any instance, with nothing missed and nothing twice, as long as the log keeps it and the session is not over.
// A session outlives its stream by Config.Resume, during which its filters are held.
package stream

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/functions/web"
	"lmqgate/meta/message"
)

// Config of a Handler.
type Config struct {
	Reader message.Reader
	Guard  *web.Guard
	// Secret is the same for all instances and lasts: positions are sealed with it. It is asked for once.
	Secret     func(ctx context.Context) ([]byte, error)
	Resume     time.Duration // for which a session outlives its stream; 0: not at all
	Heartbeat  time.Duration // silence after which a stream sends something; 0 is 15 s
	MaxStreams int           // at once on this instance, long polls included; 0 is 10,000
	MaxFilters int           // of one stream; 0 is 32
	MaxWait    time.Duration // of a long poll; 0 is 60 s
	WriteTime  time.Duration // in which the caller has to take a message; 0 is 30 s
	Logger     *slog.Logger  // nil: nothing is logged
	Registerer prometheus.Registerer
}

// Handler serves both. It is safe for concurrent use.
type Handler struct {
	cfg     Config
	seats   chan struct{}
	metrics *metrics
	seals   seals
	ended   context.Context // of all streams
	end     context.CancelFunc
}

// New returns a handler. It has no goroutine of its own.
func New(cfg Config) *Handler {
	or := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	or(&cfg.Heartbeat, 15*time.Second)
	or(&cfg.MaxWait, time.Minute)
	or(&cfg.WriteTime, 30*time.Second)
	if cfg.MaxStreams <= 0 {
		cfg.MaxStreams = 10_000
	}
	if cfg.MaxFilters <= 0 {
		cfg.MaxFilters = 32
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Handler{cfg: cfg, seats: make(chan struct{}, cfg.MaxStreams), seals: seals{secret: cfg.Secret}}
	h.ended, h.end = context.WithCancel(context.Background())
	h.metrics = newMetrics(cfg.Registerer, h)
	return h
}

// Stop ends all streams and refuses new ones.
func (h *Handler) Stop() { h.end() }

// ServeHTTP implements http.Handler, for the paths that end in /stream and /messages.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method != http.MethodGet:
		w.Header().Set("Allow", http.MethodGet)
		web.Refuse(http.StatusMethodNotAllowed, "use GET").Write(w)
	case strings.HasSuffix(r.URL.Path, "/stream"):
		h.Stream(w, r)
	case strings.HasSuffix(r.URL.Path, "/messages"):
		h.Messages(w, r)
	default:
		web.Refuse(http.StatusNotFound, "there is /v1/stream and /v1/messages").Write(w)
	}
}

// enter takes a seat; leave gives it back.
func (h *Handler) enter() (leave func(), err error) {
	if h.ended.Err() != nil {
		return nil, web.Later(http.StatusServiceUnavailable, 1, "this instance is going away, connect again")
	}
	select {
	case h.seats <- struct{}{}:
		return func() { <-h.seats }, nil
	default:
		return nil, web.Later(http.StatusTooManyRequests, 5, "too many streams on this instance")
	}
}

// open verifies the caller and opens what the request asks for. Whoever calls closes the reading.
func (h *Handler) open(ctx context.Context, r *http.Request) (message.Reading, *asked, error) {
	caller, err := h.cfg.Guard.Caller(r)
	if err != nil {
		return nil, nil, err
	}
	a, err := h.parse(r)
	if err != nil {
		return nil, nil, err
	}
	if err := h.bind(ctx, a, caller); err != nil {
		return nil, nil, err
	}
	reading, err := h.cfg.Reader.Open(ctx, message.ReadRequest{
		Name: a.name(caller), Identity: caller.Identity, Address: caller.Address,
		Filters: a.filters, From: a.from, Expiry: h.cfg.Resume, Retain: a.retained,
	})
	if err != nil {
		return nil, nil, h.problem(ctx, err)
	}
	return reading, a, nil
}

// problem is what the caller is told about an error of the reader.
func (h *Handler) problem(ctx context.Context, err error) error {
	var filter *message.FilterError
	switch {
	case errors.As(err, &filter):
		status := http.StatusBadRequest
		switch filter.Code {
		case 0x87:
			status = http.StatusForbidden
		case 0x97:
			status = http.StatusTooManyRequests
		}
		return web.Refuse(status, "%s", filter.Error())
	case errors.Is(err, message.ErrPosition):
		return web.Refuse(http.StatusBadRequest, "the position is none of this stream; begin without one")
	case errors.Is(err, message.ErrNotAllowed):
		return web.Refuse(http.StatusForbidden, "not allowed to read")
	case ctx.Err() == nil:
		h.cfg.Logger.Debug("a stream could not be opened", "error", err)
	}
	return web.Later(http.StatusServiceUnavailable, 2, "messages cannot be read now, try again")
}

// sessionKey makes part of a session's name of texts, such that others make another one.
func sessionKey(n int, texts ...string) string {
	sum := sha256.New()
	for _, t := range texts {
		sum.Write([]byte{byte(len(t) >> 24), byte(len(t) >> 16), byte(len(t) >> 8), byte(len(t))})
		sum.Write([]byte(t))
	}
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum.Sum(nil)))[:n]
}

// newTicket names a stream within what its caller may read.
func newTicket() string { return strings.ToLower(rand.Text())[:12] }
