package stream

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"lmqgate/functions/web"
	"lmqgate/meta/message"
)

// reconnect is how long a browser is to wait before it comes back, ms.
const reconnect = "2000"

// sink writes a stream, flushing after each piece.
type sink struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	time time.Duration
	buf  bytes.Buffer
}

// flush writes what was gathered. The caller has WriteTime to take it.
func (s *sink) flush() error {
	if s.buf.Len() == 0 {
		return nil
	}
	if err := s.rc.SetWriteDeadline(time.Now().Add(s.time)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	_, err := s.w.Write(s.buf.Bytes())
	s.buf.Reset()
	if err == nil {
		err = s.rc.Flush()
	}
	return err
}

// Stream serves GET /v1/stream.
func (h *Handler) Stream(w http.ResponseWriter, r *http.Request) {
	leave, err := h.enter()
	if err != nil {
		web.Fail(w, err)
		return
	}
	defer leave()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(h.ended, cancel)()
	reading, a, err := h.open(ctx, r)
	if err != nil {
		web.Challenge(w, err)
		return
	}
	defer reading.Close()
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{}) // there is no more to read, and the stream lasts
	head := w.Header()
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no")
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Content-Type", "text/event-stream")
	if a.lines {
		head.Set("Content-Type", "application/x-ndjson")
	}
	w.WriteHeader(http.StatusOK)
	h.metrics.opened(a)
	h.copy(ctx, &sink{w: w, rc: rc, time: h.cfg.WriteTime}, reading, a)
}

// copy writes what is read until there is no more, or nobody to take it.
func (h *Handler) copy(ctx context.Context, s *sink, reading message.Reading, a *asked) {
	h.begin(s, reading, a)
	ended, end := context.WithCancel(ctx)
	end()
	for ctx.Err() == nil {
		arrival, err := reading.Next(ended) // what is there already
		if err != nil || s.buf.Len() >= flushBytes {
			if s.flush() != nil {
				return
			}
		}
		if errors.Is(err, context.Canceled) {
			within, cancel := context.WithTimeout(ctx, h.cfg.Heartbeat)
			arrival, err = reading.Next(within)
			cancel()
		}
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, context.DeadlineExceeded):
			s.heartbeat(a)
		case err != nil:
			s.farewell(a, err)
			_ = s.flush()
			return
		default:
			s.message(a, &arrival)
			h.metrics.sent.Inc()
		}
	}
}

// flushBytes is how much is gathered at most while there is more to read.
const flushBytes = 32 << 10

func (s *sink) message(a *asked, arrival *message.Arrival) {
	if !a.lines {
		appendEvent(&s.buf, a, arrival)
		return
	}
	appendJSON(&s.buf, recordOf(a, arrival))
	s.buf.WriteByte('\n')
}

// begin tells the caller where the stream begins, so that one that breaks before its first message is gone on with too, and
// whether something is missing.
func (h *Handler) begin(s *sink, reading message.Reading, a *asked) {
	id := a.id(reading.Position())
	gap := a.from != "" && !reading.Resumed()
	if gap {
		h.metrics.gaps.Inc()
	}
	if a.lines {
		appendJSON(&s.buf, struct {
			ID  string `json:"id"`
			Gap bool   `json:"gap,omitempty"`
		}{id, gap})
		s.buf.WriteByte('\n')
		return
	}
	s.buf.WriteString("retry: " + reconnect + "\nid: " + id + "\n\n")
	if gap {
		s.buf.WriteString("event: gap\ndata: the session had ended: messages may be missing\n\n")
	}
}

func (s *sink) heartbeat(a *asked) {
	if a.lines {
		s.buf.WriteByte('\n')
		return
	}
	s.buf.WriteString(":\n\n")
}

// farewell tells a caller who is not to come back at once why the stream ends.
func (s *sink) farewell(a *asked, err error) {
	var why string
	switch {
	case errors.Is(err, message.ErrTakenOver):
		why = "another stream goes on with this one, or an operator ended it"
	case errors.Is(err, message.ErrNotAllowed):
		why = "not allowed any more"
	default:
		return
	}
	if a.lines {
		appendJSON(&s.buf, struct {
			End string `json:"end"`
		}{why})
		s.buf.WriteByte('\n')
		return
	}
	s.buf.WriteString("event: end\ndata: " + why + "\n\n")
}
