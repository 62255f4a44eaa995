package gateway

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/events"
	"lmqgate/functions/admin"
	"lmqgate/functions/openapi"
	"lmqgate/functions/openapi/openapitest"
	"lmqgate/functions/push"
)

// undescribed are routes that are no part of the description: they are no HTTP interface.
func undescribed(g *Gateway, pattern string) bool {
	return pattern == g.cfg.WSPath || pattern == "GET /{$}" || strings.HasPrefix(pattern, "/console")
}

// within are the routes below a pattern of PORT, which one handler has.
func within(pattern string) []string {
	switch pattern {
	case "/v1/admin/":
		return admin.NewHTTP(admin.HTTPConfig{}).Patterns()
	case "/v1/push", "/v1/push/":
		return push.Patterns()
	case topicsPath:
		return []string{"POST " + topicsPath + "{topic}"}
	case "/v1/publish", "/v1/publish/batch", "/v1/tick":
		return []string{"POST " + pattern}
	}
	if !strings.Contains(pattern, " ") {
		return []string{"GET " + pattern}
	}
	return []string{pattern}
}

// description is the document that an instance serves.
func description(t *testing.T, at string) *openapitest.Checker {
	t.Helper()
	resp, err := http.Get("http://" + at + openapi.Path)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	c, err := openapitest.Read(body)
	must(t, err)
	return c
}

// TestOpenAPI: every route of PORT is in the document that is served there, and the other way round, whatever is on; and each method
// that is in it is known to the handler behind it, while others are refused.
func TestOpenAPI(t *testing.T) {
	noLeaks(t)
	defer http.DefaultClient.CloseIdleConnections()
	for name, env := range map[string][]string{
		"all":   {"ADMIN_TOKEN=0123456789abcdef", "METRICS_ADDR=main", "TICK=true"},
		"least": {"ADMIN_TOKEN=", "FUNCTIONS=", "BIND_ADDR=0.0.0.0", "TICK=false"},
		"apart": {"ADMIN_TOKEN=0123456789abcdef", "ADMIN_ADDR=127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			g := start(t, load(t, env...))
			c := description(t, g.HTTPAddr().String())
			var routes []string
			for _, pattern := range g.patterns {
				if !undescribed(g, pattern) {
					for _, one := range within(pattern) {
						routes = append(routes, strings.ReplaceAll(one, "...}", "}"))
					}
				}
			}
			slices.Sort(routes)
			if routes = slices.Compact(routes); !slices.Equal(routes, c.Operations()) {
				t.Errorf("routes     %q\ndescribed  %q", routes, c.Operations())
			}
			methods(t, g.HTTPAddr().String(), c)
			if g.listeners.admin == nil {
				return
			}
			apart := description(t, g.listeners.admin.Addr().String())
			want := slices.Concat([]string{"GET " + openapi.Path}, admin.NewHTTP(admin.HTTPConfig{}).Patterns(), push.Patterns())
			for i := range want {
				want[i] = strings.ReplaceAll(want[i], "...}", "}")
			}
			slices.Sort(want)
			if !slices.Equal(apart.Operations(), want) {
				t.Errorf("operators' listener: %q", apart.Operations())
			}
		})
	}
}

// methods asks each path in each way.
func methods(t *testing.T, at string, c *openapitest.Checker) {
	client := openapitest.Client(t, c)
	described := c.Operations()
	for _, operation := range described {
		_, path, _ := strings.Cut(operation, " ")
		for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH"} {
			known := slices.Contains(described, method+" "+path)
			if known && path == "/v1/stream" {
				continue // it does not end
			}
			r, err := http.NewRequest(method, "http://"+at+strings.NewReplacer("{", "", "}", "").Replace(path), nil)
			must(t, err)
			r.Header.Set("Authorization", "Bearer 0123456789abcdef")
			resp, err := client.Do(r)
			must(t, err)
			_ = resp.Body.Close()
			missing := resp.StatusCode == http.StatusMethodNotAllowed
			if !known {
				missing = missing || resp.StatusCode == http.StatusNotFound
			}
			if missing == known {
				t.Errorf("%s %s: %d", method, path, resp.StatusCode)
			}
		}
	}
}

// TestEventsDescribed: events are what the document says, with every field there is and with the fewest.
func TestEventsDescribed(t *testing.T) {
	c := openapitest.All(t)
	code, at := 0x8E, time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC)
	for _, kind := range events.Types() {
		for _, e := range []events.Event{
			{Type: kind, At: at},
			{
				Type: kind, At: at, Instance: "i", ClientID: "c", Username: "u", Address: "::1", Transport: "ws", Protocol: "5.0", Clean: true, KeepAlive: 60,
				Since: at, Code: &code, Reason: "r", Filters: []string{"a"}, Topic: "t", Count: 1,
			},
		} {
			text, err := json.Marshal(e)
			must(t, err)
			if err := c.CheckSchema("Event", text); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}
