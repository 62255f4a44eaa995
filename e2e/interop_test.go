package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/e2e/parts"
)

// The clients below are other people's. Each makes a tour through what MQTT offers, on two instances, and says what it saw.

// TestPahoPython runs paho/tour.py, Eclipse Paho for Python over TCP and WebSocket.
func TestPahoPython(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		for _, transport := range []string{"tcp", "websockets"} {
			at := []string{f.instances[0].tcp, f.instances[1].tcp}
			if transport == "websockets" {
				at = []string{f.instances[0].http, f.instances[1].http}
			}
			out := output(t, parts.Python(t, "paho", "tour.py", transport, at[0], at[1], f.first))
			version3 := map[string]any{
				"connect":      list(list(false, 0), list(false, 0)),
				"granted":      list(list(2)),
				"received":     list(list("/q/0", "hello 0", 0, false), list("/q/1", "hello 1", 1, false), list("/q/2", "hello 2", 2, false)),
				"resumed":      list(true, 0),
				"missed":       list(list("missed 1", 1), list("missed 2", 2)),
				"retained":     list(list("/kept/a", "kept", 1, true), list("/kept/end", "end", 1, false)),
				"will":         list("/kept/will", "farewell", 1, false),
				"unsubscribed": "unsubscribed",
			}
			version5 := plus(version3, map[string]any{
				"properties": list("answer", list(0, 255, 1), list(list("a", "1"), list("a", "2")), "text/plain", 1, true, list(7)),
				"shared":     list(numbers(21)...),
				"beside":     "20",
			})
			version5["properties"].([]any)[0] = "/answer"
			seenAs(t, transport, out, map[string]any{"4": version3, "5": version5})
		}
	})
}

// TestChromium runs mqttjs/browser.js, MQTT.js in a real browser.
func TestChromium(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		bundle := parts.MQTTJSBundle(t)
		results := make(chan []byte, 1)
		page := http.NewServeMux()
		page.Handle("GET /", http.FileServer(http.Dir("mqttjs")))
		page.HandleFunc("GET /mqtt.min.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, bundle) })
		page.HandleFunc("POST /result", func(_ http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
			select {
			case results <- body:
			default:
			}
		})
		site := httptest.NewServer(page)
		t.Cleanup(site.Close)
		f := start(t, 2, b, "WS_ORIGINS="+site.URL)
		query := url.Values{"one": {f.instances[0].ws()}, "two": {f.instances[1].ws()}, "first": {f.first}}
		browser := parts.Chromium(t, site.URL+"/browser.html?"+query.Encode())
		var complaints bytes.Buffer
		browser.Stdout, browser.Stderr = &complaints, &complaints
		must(t, browser.Start())
		ended := make(chan error, 1)
		go func() { ended <- browser.Wait() }()
		var out []byte
		select {
		case out = <-results:
		case err := <-ended:
			t.Fatalf("chromium ended: %v\n%s", err, complaints.String())
		case <-time.After(2 * soon):
			t.Fatalf("no result from the page\n%s", complaints.String())
		}
		version3 := map[string]any{
			"granted":  list(2),
			"received": list(list("/q/0", "hello 0", 0, false), list("/q/1", "hello 1", 1, false), list("/q/2", "hello 2", 2, false)),
			"missed":   list(list("/q/1", "missed 1", 1, false), list("/q/2", "missed 2", 2, false)),
			"retained": list(list("/kept/a", "kept", 1, true)),
			"will":     list(list("/kept/will", "farewell", 1, false)),
		}
		version5 := plus(version3, map[string]any{
			"alias":      list(list("/kept/alias", "alias 1", 1, false), list("/kept/alias", "alias 2", 1, false)),
			"properties": list("answer", list(0, 255, 1), list("1", "2")),
		})
		seenAs(t, "chromium", out, map[string]any{"4": version3, "5": version5})
	})
}

func list(v ...any) []any { return v }

func numbers(n int) []any {
	l := make([]any, n)
	for i := range l {
		l[i] = i
	}
	return l
}

// plus is a copy of a with the entries of b.
func plus(a, b map[string]any) map[string]any {
	c := map[string]any{}
	for _, m := range []map[string]any{a, b} {
		for k, v := range m {
			c[k] = v
		}
	}
	return c
}

// seenAs compares what a client printed with what it has to be.
func seenAs(t *testing.T, who string, out []byte, want map[string]any) {
	t.Helper()
	text, err := json.Marshal(want)
	must(t, err)
	var a, b any
	must(t, json.Unmarshal(text, &a))
	if err := json.Unmarshal(out, &b); err != nil {
		t.Fatalf("%s prints %q: %v", who, out, err)
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("%s saw (-want +got):\n%s", who, diff)
	}
}

// output runs a command and returns what it prints.
func output(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	must(t, cmd.Start())
	kill := time.AfterFunc(3*soon, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s%s", filepath.Base(cmd.Path), err, complaints.String(), out.String())
	}
	return out.Bytes()
}
