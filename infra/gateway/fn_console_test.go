package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestConsoleIsServed: in embedded mode, or where it is asked for, with what its page has to know; else there is nothing.
func TestConsoleIsServed(t *testing.T) {
	noLeaks(t)
	defer http.DefaultClient.CloseIdleConnections()
	for _, c := range []struct {
		env    []string
		status int
		says   string
	}{
		{nil, http.StatusOK, `data-ws-path="/mqtt" data-admin="open"`},
		{[]string{"WS_PATH=/ws", "ADMIN_TOKEN=0123456789abcdef"}, http.StatusOK, `data-ws-path="/ws" data-admin="token"`},
		{[]string{"ADMIN_TOKEN=0123456789abcdef", "ADMIN_ADDR=127.0.0.1:0"}, http.StatusOK, `data-admin="none"`},
		{[]string{"CONSOLE=false"}, http.StatusNotFound, ""},
	} {
		g := start(t, load(t, c.env...))
		resp, err := http.Get("http://" + g.HTTPAddr().String() + "/console")
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != c.status || !strings.Contains(string(body), c.says) {
			t.Errorf("%v: %d %s", c.env, resp.StatusCode, body)
		}
		if policy := resp.Header.Get("Content-Security-Policy"); strings.Contains(policy, "default-src 'none'") != (c.status == http.StatusOK) {
			t.Errorf("%v: policy %q", c.env, policy)
		}
	}
	_, _, cfg := shared(t)
	if cfg.Console {
		t.Error("on without being asked for")
	}
}
