package e2e

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"lmqgate/e2e/parts"
)

// browser is a tab of a Chromium, driven by the DevTools protocol. It is for one goroutine.
type browser struct {
	t       *testing.T
	conn    *websocket.Conn
	session string
	last    int
	asked   []string // URLs of all requests, WebSockets too
	wrong   []string // errors and warnings that the browser has logged
}

// openBrowser starts a Chromium with an empty tab.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	cmd := parts.Chromium(t, "about:blank", "--remote-debugging-port=0")
	said, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	b := &browser{t: t}
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	b.conn, _, err = websocket.Dial(ctx, devTools(t, ctx, said), nil)
	must(t, err)
	b.conn.SetReadLimit(64 << 20)
	t.Cleanup(func() { _ = b.conn.CloseNow(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Runtime", "Log", "Network", "Accessibility", "DOM"} {
		b.call(domain+".enable", nil, nil)
	}
	return b
}

// devTools is the address that a Chromium names on its standard error.
func devTools(t *testing.T, ctx context.Context, said io.Reader) string {
	t.Helper()
	at := make(chan string, 1)
	go func() {
		defer close(at)
		for lines := bufio.NewScanner(said); lines.Scan(); { // to its end, so that Chromium never waits for us
			if _, url, ok := strings.Cut(lines.Text(), "DevTools listening on "); ok {
				select {
				case at <- url:
				default:
				}
			}
		}
	}()
	select {
	case url, ok := <-at:
		if ok {
			return url
		}
		t.Fatal("chromium has ended")
	case <-ctx.Done():
		t.Fatal("chromium names no address for DevTools")
	}
	return ""
}

// reply is an answer of the protocol, or an event.
type reply struct {
	ID     int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct{ Message string }
}

// call asks and reads until the answer is there, noting events meanwhile.
func (b *browser) call(method string, params, into any) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*soon)
	defer cancel()
	b.last++
	ask := map[string]any{"id": b.last, "method": method}
	if params != nil {
		ask["params"] = params
	}
	if b.session != "" {
		ask["sessionId"] = b.session
	}
	text, err := json.Marshal(ask)
	must(b.t, err)
	must(b.t, b.conn.Write(ctx, websocket.MessageText, text))
	for {
		_, text, err := b.conn.Read(ctx)
		if err != nil {
			b.t.Fatalf("%s: %v", method, err)
		}
		var r reply
		must(b.t, json.Unmarshal(text, &r))
		switch {
		case r.Method != "":
			b.event(r)
		case r.ID != b.last:
		case r.Error != nil:
			b.t.Fatalf("%s: %s", method, r.Error.Message)
		default:
			if into != nil {
				must(b.t, json.Unmarshal(r.Result, into))
			}
			return
		}
	}
}

func (b *browser) event(r reply) {
	var p struct {
		Request          struct{ URL string }
		URL              string
		Entry            struct{ Level, Text, URL string }
		ExceptionDetails struct {
			Text      string
			Exception struct{ Description string }
		}
	}
	_ = json.Unmarshal(r.Params, &p)
	switch r.Method {
	case "Network.requestWillBeSent":
		b.asked = append(b.asked, p.Request.URL)
	case "Network.webSocketCreated":
		b.asked = append(b.asked, p.URL)
	case "Log.entryAdded":
		if p.Entry.Level == "error" || p.Entry.Level == "warning" {
			b.wrong = append(b.wrong, p.Entry.Text+" "+p.Entry.URL)
		}
	case "Runtime.exceptionThrown":
		b.wrong = append(b.wrong, p.ExceptionDetails.Text+" "+p.ExceptionDetails.Exception.Description)
	}
}

// open goes to a page and waits until its scripts have run.
func (b *browser) open(url string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": url}, nil)
	b.until(fmt.Sprintf("document.readyState === 'complete' && location.href === %q", url))
}

// eval is the value of an expression in the page.
func (b *browser) eval(expression string, into any) {
	b.t.Helper()
	var out struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}, &out)
	if out.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, out.ExceptionDetails.Exception.Description)
	}
	if into != nil {
		must(b.t, json.Unmarshal(out.Result.Value, into))
	}
}

// until waits for an expression to be true.
func (b *browser) until(expression string) {
	b.t.Helper()
	eventually(b.t, 2*soon, func() error {
		var ok bool
		b.eval("Boolean("+expression+")", &ok)
		if ok {
			return nil
		}
		var text string
		b.eval("document.body ? document.body.innerText : ''", &text)
		return fmt.Errorf("%s is not so in %q, %q", expression, text, b.wrong)
	})
}

// keys of the keyboard, with their codes.
var keys = map[string]int{"Tab": 9, "Enter": 13, " ": 32}

// press presses keys on what has the focus.
func (b *browser) press(names ...string) {
	b.t.Helper()
	for _, name := range names {
		key := map[string]any{"type": "keyDown", "key": name, "windowsVirtualKeyCode": keys[name]}
		if text := map[string]string{"Enter": "\r", " ": " "}[name]; text != "" {
			key["text"] = text
		}
		b.call("Input.dispatchKeyEvent", key, nil)
		key["type"] = "keyUp"
		delete(key, "text")
		b.call("Input.dispatchKeyEvent", key, nil)
	}
}

// write puts a text into a field as a person does who has gone there, in the place of what it had.
func (b *browser) write(id, text string) {
	b.t.Helper()
	b.eval(fmt.Sprintf("document.getElementById(%q).focus(), document.getElementById(%q).select()", id, id), nil)
	b.call("Input.insertText", map[string]any{"text": text}, nil)
}

// look sets width, height and scheme, and keeps a picture where LMQGATE_TEST_SCREENSHOTS names a folder.
func (b *browser) look(name string, width, height int, scheme string) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.call("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{
		{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"},
	}}, nil)
	dir := os.Getenv("LMQGATE_TEST_SCREENSHOTS")
	if dir == "" {
		return
	}
	b.eval(`new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))`, nil)
	var size struct {
		CSSContentSize struct{ Width, Height float64 }
	}
	b.call("Page.getLayoutMetrics", nil, &size)
	whole := map[string]any{"x": 0, "y": 0, "width": size.CSSContentSize.Width, "height": size.CSSContentSize.Height, "scale": 1}
	var shot struct{ Data string }
	b.call("Page.captureScreenshot", map[string]any{"format": "png", "captureBeyondViewport": true, "clip": whole}, &shot)
	picture, err := base64.StdEncoding.DecodeString(shot.Data)
	must(b.t, err)
	must(b.t, os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644))
}
