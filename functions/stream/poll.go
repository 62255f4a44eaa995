package stream

import (
	"context"
	"errors"
	"net/http"
	"time"

	"lmqgate/functions/web"
	"lmqgate/meta/message"
)

// Page is the answer to a long poll.
type Page struct {
	Messages []*Record `json:"messages"`
	Next     string    `json:"next"`          // for after= of the next call
	Gap      bool      `json:"gap,omitempty"` // the session had ended: messages may be missing before these
}

// maxPageBytes bounds the payloads of a page; one message may have more.
const maxPageBytes = 1 << 20

// Messages serves GET /v1/messages: what there is, or what comes first within wait.
func (h *Handler) Messages(w http.ResponseWriter, r *http.Request) {
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
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	page, err := collect(ctx, reading, a)
	_ = reading.Close() // before the answer, so that the next call takes nothing over
	if err != nil && len(page.Messages) == 0 {
		web.Fail(w, h.problem(ctx, err))
		return
	}
	if page.Gap {
		h.metrics.gaps.Inc()
	}
	h.metrics.sent.Add(float64(len(page.Messages)))
	_ = rc.SetWriteDeadline(time.Now().Add(h.cfg.WriteTime))
	web.OK(w, page)
}

// settle is how long a page waits for company once it has a message: what is there already comes within it.
const settle = 20 * time.Millisecond

// collect reads a page. With an error the page has what came before it.
func collect(ctx context.Context, reading message.Reading, a *asked) (*Page, error) {
	page := &Page{Messages: []*Record{}, Next: a.id(reading.Position()), Gap: a.from != "" && !reading.Resumed()}
	wait := max(a.wait, settle)
	for bytes := 0; len(page.Messages) < a.max && bytes < maxPageBytes; {
		within, cancel := context.WithTimeout(ctx, wait)
		arrival, err := reading.Next(within)
		cancel()
		switch {
		case err != nil && (errors.Is(err, context.DeadlineExceeded) || errors.Is(err, message.ErrGoing)) && ctx.Err() == nil:
			return page, nil
		case err != nil:
			return page, err
		}
		rec := recordOf(a, &arrival)
		page.Messages = append(page.Messages, rec)
		bytes += len(rec.Payload)
		if rec.ID != "" {
			page.Next = rec.ID
		}
		wait = settle
	}
	return page, nil
}
