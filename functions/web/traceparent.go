package web

import (
	"net/http"
	"strings"
)

// Bounds of W3C Trace Context.
const (
	traceParentBytes = 55  // 00-<32 hex>-<16 hex>-<2 hex>
	maxTraceState    = 512 // bytes that have to be carried on
)

// TraceContext is the W3C Trace Context of a request, "" where it has none or a malformed one: nobody is to carry on that.
func TraceContext(r *http.Request) (parent, state string) {
	parent = r.Header.Get("Traceparent")
	if len(r.Header.Values("Traceparent")) != 1 || !isTraceParent(parent) {
		return "", ""
	}
	if state = strings.Join(r.Header.Values("Tracestate"), ","); len(state) > maxTraceState {
		state = ""
	}
	return parent, state
}

// isTraceParent accepts version 00 only.
func isTraceParent(s string) bool {
	const hex = "0123456789abcdef"
	part := strings.Split(s, "-")
	if len(s) != traceParentBytes || len(part) != 4 || part[0] != "00" {
		return false
	}
	for i, n := range map[int]int{1: 32, 2: 16, 3: 2} {
		if len(part[i]) != n || strings.Trim(part[i], hex) != "" || n > 2 && strings.Trim(part[i], "0") == "" {
			return false
		}
	}
	return true
}
