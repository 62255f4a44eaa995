// Package openapitest holds handlers against the OpenAPI document, in their own tests: what a handler answers has to be in the
// document, and what it accepts has to be a request of the document. Fields that the document does not have are errors here,
// though callers are to overlook them.
package openapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"lmqgate/functions/openapi"
)

// Checker knows a document.
type Checker struct {
	doc    *openapi3.T
	routes []route
}

// route is a path of the document.
type route struct {
	path   string
	shape  *regexp.Regexp // of an escaped path
	params []string
}

// tails are the parameters that may have slashes in them, at the end of a path.
var tails = []string{"topic", "filter"}

// streams are types of bodies without an end.
var streams = []string{"text/event-stream", "application/x-ndjson"}

// Load reads the document of all parts, after it was validated with its examples.
func Load() (*Checker, error) { return Read(openapi.Document(openapi.All()...)) }

// Read is Load for a document that is there.
func Read(document []byte) (*Checker, error) {
	if err := Valid(document); err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(document, &tree); err != nil {
		return nil, err
	}
	closed(tree)
	strict, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(strict)
	if err != nil {
		return nil, fmt.Errorf("load document: %w", err)
	}
	c := &Checker{doc: doc}
	for _, path := range doc.Paths.InMatchingOrder() {
		c.routes = append(c.routes, routeOf(path))
	}
	for _, kind := range streams {
		openapi3filter.RegisterBodyDecoder(kind, func(io.Reader, http.Header, *openapi3.SchemaRef, openapi3filter.EncodingFn) (any, error) {
			return "", nil // events and lines are looked at elsewhere
		})
	}
	return c, nil
}

// Valid reports what is wrong with a document as such, its examples included.
func Valid(document []byte) error {
	doc, err := openapi3.NewLoader().LoadFromData(document)
	if err != nil {
		return fmt.Errorf("load document: %w", err)
	}
	if !doc.IsOpenAPI31OrLater() {
		return fmt.Errorf("version %s", doc.OpenAPI)
	}
	return doc.Validate(context.Background(), openapi3.EnableExamplesValidation())
}

// closed forbids fields that schemas do not have.
func closed(v any) {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			closed(one)
		}
	case map[string]any:
		if _, has := v["properties"].(map[string]any); has && v["type"] == "object" && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
		for _, one := range v {
			closed(one)
		}
	}
}

var param = regexp.MustCompile(`\{([a-z_]+)\}`)

func routeOf(path string) route {
	r := route{path: path}
	at, shape := 0, "^"
	for _, m := range param.FindAllStringSubmatchIndex(path, -1) {
		name := path[m[2]:m[3]]
		r.params = append(r.params, name)
		part := "([^/]+)"
		if slices.Contains(tails, name) && m[1] == len(path) {
			part = "(.+)"
		}
		shape += regexp.QuoteMeta(path[at:m[0]]) + part
		at = m[1]
	}
	r.shape = regexp.MustCompile(shape + regexp.QuoteMeta(path[at:]) + "$")
	return r
}

// FindRoute implements routers.Router.
func (c *Checker) FindRoute(r *http.Request) (*routers.Route, map[string]string, error) {
	for _, one := range c.routes {
		m := one.shape.FindStringSubmatch(r.URL.EscapedPath())
		if m == nil {
			if m = one.shape.FindStringSubmatch(r.URL.Path); m == nil { // what is escaped needlessly
				continue
			}
		}
		params := map[string]string{}
		for i, name := range one.params {
			v, err := url.PathUnescape(m[i+1])
			if err != nil {
				return nil, nil, err
			}
			params[name] = v
		}
		item := c.doc.Paths.Value(one.path)
		op := item.GetOperation(r.Method)
		if op == nil {
			return nil, nil, routers.ErrMethodNotAllowed
		}
		return &routers.Route{Spec: c.doc, Server: c.doc.Servers[0], Path: one.path, PathItem: item, Method: r.Method, Operation: op}, params, nil
	}
	return nil, nil, routers.ErrPathNotFound
}

// Operations are the document's, as "GET /v1/messages".
func (c *Checker) Operations() (all []string) {
	for path, item := range c.doc.Paths.Map() {
		for method := range item.Operations() {
			all = append(all, method+" "+path)
		}
	}
	slices.Sort(all)
	return all
}

// CheckWebhook says what is wrong with a request that the gateway makes.
func (c *Checker) CheckWebhook(name string, r *http.Request, body []byte) error {
	item := c.doc.Webhooks[name]
	if item == nil {
		return fmt.Errorf("there is no webhook %q", name)
	}
	r = r.Clone(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	return openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, Route: &routers.Route{Spec: c.doc, PathItem: item, Method: r.Method, Operation: item.Post},
		Options: &openapi3filter.Options{MultiError: true, SkipSettingDefaults: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc},
	})
}

// CheckSchema says what is wrong with a JSON value.
func (c *Checker) CheckSchema(name string, value []byte) error {
	schema := c.doc.Components.Schemas[name]
	if schema == nil {
		return fmt.Errorf("there is no schema %q", name)
	}
	var v any
	if err := json.Unmarshal(value, &v); err != nil {
		return err
	}
	return schema.Value.VisitJSON(v, openapi3.EnableJSONSchema2020())
}

// Check says what is wrong with an answer to a request: nil, if all is as the document says.
func (c *Checker) Check(r *http.Request, sent []byte, status int, header http.Header, body []byte) error {
	if r.Method == http.MethodHead || r.Method == http.MethodOptions {
		return nil
	}
	r = r.Clone(context.WithoutCancel(r.Context()))
	found, params, err := c.FindRoute(r)
	if err != nil {
		return c.unknown(r, status, header, body)
	}
	options := &openapi3filter.Options{
		IncludeResponseStatus: true, MultiError: true, SkipSettingDefaults: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		ExcludeRequestBody: found.Operation.OperationID == "publishRaw", // it is whatever it is
	}
	in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: found, Options: options}
	if status < http.StatusBadRequest {
		if body := found.Operation.RequestBody; body != nil && body.Value.Content["application/json"] != nil {
			r.Header.Set("Content-Type", "application/json") // handlers do not ask for it
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
		if err := openapi3filter.ValidateRequest(r.Context(), in); err != nil {
			return fmt.Errorf("%s %s is accepted, and is none of the document: %w", r.Method, r.URL, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: status, Header: header, Options: options}
	if err := openapi3filter.ValidateResponse(r.Context(), out.SetBodyBytes(body)); err != nil {
		return fmt.Errorf("the answer to %s %s, %d, is none of the document: %w", r.Method, r.URL, status, err)
	}
	return nil
}

// unknown is Check for what the document does not have: a problem says so.
func (c *Checker) unknown(r *http.Request, status int, header http.Header, body []byte) error {
	if status < http.StatusBadRequest {
		return fmt.Errorf("%s %s is answered with %d and is not in the document", r.Method, r.URL, status)
	}
	if !strings.HasPrefix(r.URL.Path, "/v1/") {
		return nil // net/http says it in words
	}
	if !strings.HasPrefix(header.Get("Content-Type"), "application/problem+json") {
		return fmt.Errorf("%s %s: %d without a problem, but %q", r.Method, r.URL, status, header.Get("Content-Type"))
	}
	return c.CheckSchema("Problem", body)
}

// loaded is the checker of all tests of a process: it takes a while to make.
var loaded = sync.OnceValues(Load)

// All is the checker of the whole document.
func All(t testing.TB) *Checker {
	t.Helper()
	c, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Watch makes a handler whose every answer is checked.
func Watch(t testing.TB, h http.Handler) http.Handler {
	t.Helper()
	c := All(t)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var sent, said bytes.Buffer
		if r.Body != nil {
			r.Body = &tee{r.Body, &sent}
		}
		asked := r.Clone(r.Context())
		rec := &recorder{ResponseWriter: w, said: &said, status: http.StatusOK}
		h.ServeHTTP(rec, r)
		if err := c.Check(asked, sent.Bytes(), rec.status, w.Header(), said.Bytes()); err != nil {
			t.Error(err)
		}
	})
}

// tee keeps what is read of a body.
type tee struct {
	io.ReadCloser
	kept *bytes.Buffer
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	t.kept.Write(p[:n])
	return n, err
}

// recorder keeps what is said.
type recorder struct {
	http.ResponseWriter
	said   *bytes.Buffer
	status int
}

// Unwrap lets http.ResponseController through.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if !slices.Contains(streams, r.Header().Get("Content-Type")) {
		r.said.Write(b)
	}
	return r.ResponseWriter.Write(b)
}

// Client is an HTTP client whose every answer is checked. Bodies are read whole: it is not for streams.
func Client(t testing.TB, c *Checker) *http.Client {
	return &http.Client{Transport: transport{t, c}}
}

type transport struct {
	t testing.TB
	c *Checker
}

// RoundTrip implements http.RoundTripper.
func (tr transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	if err := tr.c.Check(r, sent, resp.StatusCode, resp.Header, body); err != nil {
		tr.t.Error(err)
	}
	return resp, nil
}
