// Package web is what the HTTP functions have in common: who calls, problem documents (RFC 9457), JSON in and out within
// bounds.
package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"
)

// Problem is an answer that says what went wrong (RFC 9457). It is an error, so that a handler can return it.
type Problem struct {
	Type   string `json:"type"` // "about:blank": the status says it all; else ProblemPrefix and a name that stays
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// RetryAfter, in seconds, goes into the header of that name; 0 = none.
	RetryAfter int `json:"-"`
}

func (p *Problem) Error() string { return p.Detail }

// Refuse makes a problem. The detail is for the caller: never an inside error with addresses or secrets.
func Refuse(status int, format string, args ...any) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: fmt.Sprintf(format, args...)}
}

// ProblemPrefix begins the types of problems.
const ProblemPrefix = "urn:lmqgate:problem:"

// Of gives the problem a type of its own, which callers may branch on.
func (p *Problem) Of(name string) *Problem {
	p.Type = ProblemPrefix + name
	return p
}

// Later is a problem that passes by itself: 503 or 429 with Retry-After in seconds.
func Later(status, seconds int, format string, args ...any) *Problem {
	p := Refuse(status, format, args...)
	p.RetryAfter = seconds
	return p
}

// Write answers with the problem.
func (p *Problem) Write(w http.ResponseWriter) {
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(p.RetryAfter))
	}
	w.Header().Set("Cache-Control", "no-store")
	Reply(w, p.Status, "application/problem+json", p)
}

// Fail answers with the problem in err, or with 500 and no word of err.
func Fail(w http.ResponseWriter, err error) {
	var p *Problem
	if !errors.As(err, &p) {
		p = Refuse(http.StatusInternalServerError, "an error inside the gateway; its log says more")
	}
	p.Write(w)
}

// Reply writes a JSON body.
func Reply(w http.ResponseWriter, status int, kind string, body any) {
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// OK answers 200 with a JSON body that nobody is to keep.
func OK(w http.ResponseWriter, body any) {
	w.Header().Set("Cache-Control", "no-store")
	Reply(w, http.StatusOK, "application/json", body)
}

// Body reads a request's body of at most limit bytes; the error is a *Problem.
func Body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, Refuse(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", limit).Of("too-large")
	case err != nil:
		return nil, Refuse(http.StatusBadRequest, "the body could not be read")
	}
	return b, nil
}

// JSON reads a request's body, one JSON value without unknown fields, of at most limit bytes. The error is a *Problem.
func JSON(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	body, err := Body(w, r, limit)
	if err != nil {
		return err
	}
	if !utf8.Valid(body) { // or what is malformed would become U+FFFD without a word (RFC 8259 section 8.1)
		return Refuse(http.StatusBadRequest, "the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err = d.Decode(into)
	if err == nil && d.Decode(&struct{}{}) != io.EOF {
		err = errors.New("more than one JSON value")
	}
	if err != nil {
		return Refuse(http.StatusBadRequest, "the body is not the JSON that is wanted: %v", err)
	}
	return nil
}
