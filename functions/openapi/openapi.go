// Package openapi is the description of what the gateway answers over HTTP, as an OpenAPI 3.1 document: GET /v1/openapi.json. It
// is written by hand, in Go, and the tests of the handlers hold it against what they really take and say (openapitest).
//
// An instance serves the description of what it offers: New is told which functions these are.
package openapi

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"lmqgate/functions/web"
)

// Part is a group of paths.
type Part string

// Parts. The description itself is in every document.
const (
	Publish Part = "publish"
	Stream  Part = "stream"
	Push    Part = "push"
	Admin   Part = "admin"
	Tick    Part = "tick"
	Health  Part = "health"
	Metrics Part = "metrics"
)

// All are all parts.
func All() []Part { return []Part{Publish, Stream, Push, Admin, Tick, Health, Metrics} }

// Path is where the document is.
const Path = "/v1/openapi.json"

// object is a JSON object.
type object = map[string]any

// Document is the description of some parts as JSON; the same parts give the same bytes.
func Document(parts ...Part) []byte {
	d := &document{paths: object{}, schemas: object{"Problem": problemSchema()}, security: object{}, refused: object{}}
	d.tag("openapi", "this description")
	d.self()
	for _, p := range []struct {
		part Part
		add  func()
	}{
		{Publish, d.publish}, {Stream, d.stream}, {Push, d.push}, {Admin, d.admin}, {Tick, d.tick}, {Health, d.health}, {Metrics, d.metrics},
	} {
		if slices.Contains(parts, p.part) {
			p.add()
		}
	}
	whole := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "lmqgate", "version": "1", "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "What the gateway answers over HTTP, beside MQTT. Errors are problem documents (RFC 9457): their `type` is `about:blank`, where the status " +
				"says it all, or begins with `" + web.ProblemPrefix + "`. Callers are verified like MQTT clients, by AUTH, and may do what these may; operators have a token of their own.",
		},
		"servers": []any{object{"url": "/"}},
		"tags":    d.tags, "paths": d.paths,
		"components": object{"schemas": d.schemas, "responses": d.refused, "securitySchemes": d.security},
	}
	if d.hooks != nil {
		whole["webhooks"] = d.hooks
	}
	b, err := json.MarshalIndent(whole, "", " ")
	if err != nil { // maps of texts and numbers
		panic(err)
	}
	return append(b, '\n')
}

// New serves the description of some parts.
func New(parts ...Part) http.Handler {
	doc := Document(parts...)
	sum := sha256.Sum256(doc)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			web.Refuse(http.StatusMethodNotAllowed, "use GET").Write(w)
			return
		}
		h := w.Header()
		h.Set("ETag", tag)
		h.Set("Cache-Control", "no-cache") // another version of the gateway has another one
		h.Set("X-Content-Type-Options", "nosniff")
		if slices.Contains(strings.Split(strings.ReplaceAll(r.Header.Get("If-None-Match"), " ", ""), ","), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		h.Set("Content-Type", "application/json")
		_, _ = w.Write(doc)
	})
}
