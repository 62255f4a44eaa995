// Package publish lets HTTP callers publish to MQTT topics:
//
//   - POST /v1/topics/{topic...}: the body is the payload
//   - POST /v1/publish: one message as JSON
//   - POST /v1/publish/batch: several, each with a result of its own
//
// Success, 200, is answered only after the broker has acknowledged the message and a retained one is kept; with qos=0 it is 202,
// since no failure was made good. What MQTT clients may not
// publish, callers may not either. With an Idempotency-Key a request is carried out once, however often it is made: its outcome
// is kept for Config.Keep, and where that is not known, the message is looked for in the log before it is sent again.
package publish

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"lmqgate/functions/web"
	"lmqgate/meta/idem"
	"lmqgate/meta/message"
)

// Config of a Handler.
type Config struct {
	Lanes    message.Lanes
	Guard    *web.Guard
	Requests idem.Store   // nil: a request with an Idempotency-Key is refused
	Admit    func() error // why nothing can be published now, in words for the caller; nil, or returning nil: it can
	// Pace says how long a caller who publishes too much has to wait before a payload of so many bytes; nil: not at all.
	Pace func(caller *web.Caller, payload int) time.Duration
	Wait time.Duration // for the outcome of one request, not less than a lane gives a publication; 0 is 20 s
	Keep time.Duration // of outcomes; 0 is 24 h
	// MaxPayload bounds payloads, in bytes; 0 is 256 KiB. A JSON body may have twice as many and 64 KiB more.
	MaxPayload int
	MaxBatch   int // messages of one batch; 0 is 100
	Now        func() time.Time
	Logger     *slog.Logger // nil: nothing is logged
	Registerer prometheus.Registerer
}

// Handler serves all three. It is safe for concurrent use.
type Handler struct {
	cfg      Config
	repeated prometheus.Counter
}

var _ http.Handler = (*Handler)(nil)

// New returns a handler.
func New(cfg Config) *Handler {
	if cfg.Wait <= 0 {
		cfg.Wait = 20 * time.Second
	}
	if cfg.Keep <= 0 {
		cfg.Keep = 24 * time.Hour
	}
	if cfg.MaxPayload <= 0 {
		cfg.MaxPayload = 256 << 10
	}
	if cfg.MaxBatch <= 0 {
		cfg.MaxBatch = 100
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{cfg: cfg, repeated: promauto.With(cfg.Registerer).NewCounter(prometheus.CounterOpts{
		Name: "lmqgate_http_publish_repeated_total", Help: "HTTP publications that an Idempotency-Key showed to be repetitions.",
	})}
}

// Names of problems, behind web.ProblemPrefix, on which callers may branch.
const (
	ProblemTopic      = "topic"           // 400: not a topic name
	ProblemNotAllowed = "not-allowed"     // 403
	ProblemTooLarge   = "too-large"       // 413
	ProblemRefused    = "refused"         // 422: RocketMQ will never take it
	ProblemKeyReused  = "key-reused"      // 422: the Idempotency-Key of a request with other content
	ProblemUnderWay   = "under-way"       // 409: the first request of the Idempotency-Key has no outcome yet
	ProblemBusy       = "busy"            // 429: nothing was sent
	ProblemNotSent    = "not-sent"        // 503: nothing was sent
	ProblemUnknown    = "unknown-outcome" // 503
	ProblemUnkept     = "not-retained"    // 507: sent, but not kept
)

// Result is the answer for a message that was published.
type Result struct {
	MessageID string `json:"message_id"` // the UNIQ_KEY in RocketMQ
	Topic     string `json:"topic"`
	Queues    int    `json:"queues"` // light message queues that it went to; 0: nobody subscribes
}

// readTime is how long a request may take to come.
const readTime = 30 * time.Second

// topicsPath is before a topic in a path.
const topicsPath = "/v1/topics/"

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, body, err := h.serve(w, r)
	var p *web.Problem
	switch {
	case err == nil:
		w.Header().Set("Cache-Control", "no-store")
		web.Reply(w, status, "application/json", body)
	case errors.As(err, &p):
		web.Challenge(w, err)
	default:
		h.cfg.Logger.Error("publishing over HTTP failed", "request_id", web.RequestID(r.Context()), "error", err)
		web.Fail(w, err)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) (status int, body any, err error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return 0, nil, web.Refuse(http.StatusMethodNotAllowed, "use POST")
	}
	caller, err := h.cfg.Guard.Caller(r)
	if err != nil {
		return 0, nil, err
	}
	if h.cfg.Admit != nil {
		if err := h.cfg.Admit(); err != nil {
			return 0, nil, web.Later(http.StatusServiceUnavailable, 2, "%v", err).Of(ProblemNotSent)
		}
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(readTime + h.cfg.Wait + noteTime)) // what cannot has none
	ctx := r.Context()
	switch {
	case r.Header.Get("Content-Encoding") != "" && !strings.EqualFold(r.Header.Get("Content-Encoding"), "identity"):
		return 0, nil, web.Refuse(http.StatusUnsupportedMediaType, "a body with a Content-Encoding is not taken: no MQTT client would know of it")
	case strings.HasPrefix(r.URL.Path, topicsPath):
		m, err := h.raw(w, r)
		if err != nil {
			return 0, nil, err
		}
		return h.one(ctx, r, caller, m)
	case r.URL.Path == "/v1/publish":
		var in Message
		if err := web.JSON(w, r, h.jsonLimit(), &in); err != nil {
			return 0, nil, err
		}
		m, err := h.message(&in)
		if err != nil {
			return 0, nil, err
		}
		return h.one(ctx, r, caller, m)
	case r.URL.Path == "/v1/publish/batch":
		return h.batch(ctx, w, r, caller)
	}
	return 0, nil, web.Refuse(http.StatusNotFound, "there is /v1/topics/{topic}, /v1/publish and /v1/publish/batch")
}

func (h *Handler) jsonLimit() int64 { return 2*int64(h.cfg.MaxPayload) + 64<<10 }

// one publishes the message of a request.
func (h *Handler) one(ctx context.Context, r *http.Request, caller *web.Caller, m *message.Message) (int, any, error) {
	key, err := h.key(r, caller, "")
	if err != nil {
		return 0, nil, err
	}
	m.TraceParent, m.TraceState = web.TraceContext(r)
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Wait)
	defer cancel()
	res, err := h.publish(ctx, caller, h.cfg.Lanes.NewLane(), m, key)
	if m.QoS == 0 {
		return http.StatusAccepted, res, err
	}
	return http.StatusOK, res, err
}
