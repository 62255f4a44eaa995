package web

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
)

// RequestIDHeader names a request: the caller's own name for it if it is a sane one, else one made here.
const RequestIDHeader = "X-Request-Id"

// maxRequestID bounds a caller's name for a request, in bytes.
const maxRequestID = 128

type requestIDKey struct{}

// RequestID is the name of the request that a context belongs to, "" if it has none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// withRequestID names a request and says the name in the answer.
func withRequestID(w http.ResponseWriter, r *http.Request) *http.Request {
	id := r.Header.Get(RequestIDHeader)
	if !isRequestID(id) {
		id = strings.ToLower(rand.Text())
	}
	w.Header().Set(RequestIDHeader, id)
	return r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id))
}

// isRequestID keeps out what could break a log line or a header.
func isRequestID(id string) bool {
	return id != "" && len(id) <= maxRequestID && strings.IndexFunc(id, func(c rune) bool {
		return c <= ' ' || c > '~' || strings.ContainsRune("\"'<>\\`", c)
	}) < 0
}
