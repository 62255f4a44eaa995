package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"lmqgate/functions/outgoing"
	"lmqgate/meta/push"
)

// verdict is what an attempt means.
type verdict byte

const (
	taken   verdict = iota // the message was taken
	failed                 // try again
	refused                // nothing is wanted any more (410)
)

// outcome of one attempt.
type outcome struct {
	verdict verdict
	status  int           // 0: there was no answer
	words   string        // what went wrong
	pause   time.Duration // nothing is to be sent for that long, to this target
}

// Bounds of answers.
const (
	mostRead  = 64 << 10 // bytes of a body that are read, so that the connection can be used again
	mostWords = 200      // bytes of a body that are quoted
	mostPause = time.Hour
)

// post makes one attempt. Redirects are not followed. The body of an answer is quoted in the state of the target, for its owner.
func (s *Service) post(ctx context.Context, t *push.Target, keys [][]byte, e *event, attempt int) outcome {
	body, header, err := e.encode(t, attempt)
	if err != nil {
		return outcome{verdict: failed, words: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(t.Timeout)*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return outcome{verdict: failed, words: "not a URL"}
	}
	for name, value := range t.Headers {
		header.Set(name, value)
	}
	header.Set("User-Agent", "lmqgate")
	sign(header, keys, e.id, s.cfg.Now(), body)
	r.Header = header
	answer, err := s.cfg.Client.RoundTrip(r)
	if err != nil {
		return outcome{verdict: failed, words: s.words(ctx, err)}
	}
	defer answer.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(answer.Body, mostRead))
	return judge(t.Format, answer, said, s.cfg.Now())
}

// words says why there was no answer, without what an error of the client has of the inside.
func (s *Service) words(ctx context.Context, err error) string {
	switch {
	case errors.Is(err, outgoing.ErrForbidden):
		return "the URL leads to an address that must not be called (PUSH_ALLOW)"
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "no answer in time"
	}
	return strings.ToValidUTF8(fmt.Sprintf("%.300s", err.Error()), "?")
}

// judge reads an answer: 2xx means that the message was taken. What else Pub/Sub takes for that, 102, is no final answer in
// HTTP.
func judge(format string, a *http.Response, said []byte, now time.Time) outcome {
	o := outcome{verdict: failed, status: a.StatusCode}
	switch {
	case format == push.PubSub && slices.Contains([]int{200, 201, 202, 204}, a.StatusCode), format != push.PubSub && a.StatusCode/100 == 2:
		o.verdict = taken
		return o
	case a.StatusCode == http.StatusGone:
		o.verdict = refused
	case a.StatusCode == http.StatusTooManyRequests || a.StatusCode == http.StatusServiceUnavailable:
		o.pause = retryAfter(a.Header.Get("Retry-After"), now)
	}
	o.words = "answered " + a.Status
	if len(said) > 0 {
		o.words += ": " + quote(said)
	}
	return o
}

// quote is the beginning of an answer's body, on one line.
func quote(said []byte) string {
	text := strings.ToValidUTF8(string(said[:min(len(said), mostWords)]), "?")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F {
			return ' '
		}
		return r
	}, text)
}

// retryAfter reads either form of the header (RFC 9110 section 10.2.3).
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return min(time.Duration(n)*time.Second, mostPause)
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, at.Sub(now)), mostPause)
	}
	return 0
}

// handshake asks a URL whether it wants deliveries from here (CloudEvents, abuse protection: OPTIONS with
// WebHook-Request-Origin). nil: it does.
func (s *Service) handshake(ctx context.Context, t *push.Target) error {
	ctx, cancel := context.WithTimeout(ctx, min(time.Duration(t.Timeout)*time.Millisecond, askTime))
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodOptions, t.URL, nil)
	if err != nil {
		return errors.New("not a URL")
	}
	for name, value := range t.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Set("User-Agent", "lmqgate")
	r.Header.Set("WebHook-Request-Origin", s.cfg.Origin)
	a, err := s.cfg.Client.RoundTrip(r)
	if err != nil {
		return errors.New(s.words(ctx, err))
	}
	defer a.Body.Close()
	_, _ = io.CopyN(io.Discard, a.Body, mostRead)
	allowed := a.Header.Get("WebHook-Allowed-Origin")
	if a.StatusCode/100 != 2 || allowed != "*" && !strings.EqualFold(allowed, s.cfg.Origin) {
		return fmt.Errorf("answered %s with WebHook-Allowed-Origin %.100q, which does not allow %q", a.Status, allowed, s.cfg.Origin)
	}
	return nil
}
