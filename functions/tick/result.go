package tick

import (
	"encoding/json"
	"net/http"
)

// Result is the answer to a call.
type Result struct {
	Complete bool                      `json:"complete"` // nothing that was due is left
	Millis   int64                     `json:"took_ms"`
	Done     map[string]map[string]int `json:"done"`             // by task
	Failed   []string                  `json:"failed,omitempty"` // tasks
}

// problem answers with a problem document (RFC 9457), with what was done all the same.
func problem(w http.ResponseWriter, status int, detail string, done *Result) {
	reply(w, status, "application/problem+json", struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		*Result
	}{"about:blank", http.StatusText(status), status, detail, done})
}

func reply(w http.ResponseWriter, status int, kind string, body any) {
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
