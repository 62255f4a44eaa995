package openapi_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"testing"

	"lmqgate/functions/openapi"
	"lmqgate/functions/openapi/openapitest"
)

// TestValid: the document of all parts, of each of them and of none is valid OpenAPI 3.1, with its examples, and always the same.
func TestValid(t *testing.T) {
	sets := [][]openapi.Part{nil, openapi.All()}
	for _, p := range openapi.All() {
		sets = append(sets, []openapi.Part{p})
	}
	for _, parts := range sets {
		doc := openapi.Document(parts...)
		if err := openapitest.Valid(doc); err != nil {
			t.Errorf("%v: %v", parts, err)
		}
		if !bytes.Equal(doc, openapi.Document(parts...)) {
			t.Errorf("%v: not the same again", parts)
		}
	}
}

// TestServed: the document is served, and not again to who has it.
func TestServed(t *testing.T) {
	h := openapitest.Watch(t, openapi.New(openapi.All()...))
	ask := func(method, tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, openapi.Path, nil)
		r.Header.Set("If-None-Match", tag)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	got := ask(http.MethodGet, "")
	if got.Code != http.StatusOK || !bytes.Equal(got.Body.Bytes(), openapi.Document(openapi.All()...)) || got.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", got.Code, got.Header())
	}
	if again := ask(http.MethodGet, `"x", `+got.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("again: %d", again.Code)
	}
	if wrong := ask(http.MethodPost, ""); wrong.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", wrong.Code)
	}
}

// TestChecker: what is not as the document says is found out, also where only JSON Schema 2020-12 says it: types that may be null,
// and bounds of them.
func TestChecker(t *testing.T) {
	c := openapitest.All(t)
	for _, tt := range []struct {
		method, path, sent string
		status             int
		kind, body         string
		ok                 bool
	}{
		{"GET", "/v1/messages?filter=a", "", 200, "application/json", `{"messages":[],"next":"x"}`, true},
		{"GET", "/v1/messages?filter=a", "", 200, "application/json", `{"messages":[],"next":"x","more":1}`, false},
		{"GET", "/v1/messages?filter=a", "", 200, "application/json", `{"messages":[]}`, false},
		{"GET", "/v1/messages?filter=a", "", 200, "text/plain", `{"messages":[],"next":"x"}`, false},
		{"GET", "/v1/messages?filter=a", "", 202, "application/json", `{"messages":[],"next":"x"}`, false},
		{"GET", "/v1/messages", "", 200, "application/json", `{"messages":[],"next":"x"}`, false},
		{"GET", "/v1/messages", "", 400, "application/problem+json", `{"type":"about:blank","title":"Bad Request","status":400}`, true},
		{"GET", "/v1/messages", "", 400, "application/problem+json", `{"type":"about:blank","title":"Bad Request"}`, false},
		{"GET", "/v1/nowhere", "", 404, "application/problem+json", `{"type":"about:blank","title":"Not Found","status":404}`, true},
		{"GET", "/v1/nowhere", "", 404, "application/problem+json", `{"type":"about:blank","title":"Not Found","status":4}`, false},
		{"GET", "/v1/nowhere", "", 404, "text/plain", `404`, false},
		{"GET", "/v1/nowhere", "", 200, "application/json", `{}`, false},
		{"POST", "/v1/topics/a//b/%2F", "anything", 200, "application/json", `{"message_id":"1","topic":"a//b//","queues":0}`, true},
		{"POST", "/v1/topics/a?qos=3", "", 200, "application/json", `{"message_id":"1","topic":"a","queues":0}`, false},
		{"POST", "/v1/publish", `{"topic":"a","payload":{"x":[1]}}`, 200, "application/json", `{"message_id":"1","topic":"a","queues":0}`, true},
		{"POST", "/v1/publish", `{"topic":"a","qos":3}`, 200, "application/json", `{"message_id":"1","topic":"a","queues":0}`, false},
		{"POST", "/v1/publish", `{"topic":"a","colour":3}`, 200, "application/json", `{"message_id":"1","topic":"a","queues":0}`, false},
		{"POST", "/v1/publish", `{"topic":"a"}`, 200, "application/json", `{"message_id":"1","topic":"a","queues":-1}`, false},
		{"GET", "/v1/admin/instances", "", 200, "application/json", `{"instances":[{"instance":"i","live":true,"lease":null,"sessions":0,"figures":null}]}`, true},
		{"GET", "/v1/admin/instances", "", 200, "application/json", `{"instances":[{"instance":"i","live":true,"lease":"2026-03-01T12:00:00Z","sessions":0,"figures":{}}]}`, false},
		{"GET", "/v1/admin/instances", "", 200, "application/json", `{"instances":[{"instance":"i","live":null,"lease":null,"sessions":0,"figures":null}]}`, false},
		{"GET", "/v1/admin/instances", "", 200, "application/json", `{"instances":[{"instance":"i","live":true,"lease":5,"sessions":0,"figures":null}]}`, false},
	} {
		r := httptest.NewRequest(tt.method, tt.path, nil)
		if tt.sent != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		err := c.Check(r, []byte(tt.sent), tt.status, http.Header{"Content-Type": {tt.kind}}, []byte(tt.body))
		if (err == nil) != tt.ok {
			t.Errorf("%s %s %q, %d %s: %v", tt.method, tt.path, tt.sent, tt.status, tt.body, err)
		}
	}
}
