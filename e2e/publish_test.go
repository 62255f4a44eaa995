package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/parts"
)

// curled is what curl got.
type curled struct {
	status int
	head   string // lower case
	body   string
}

// curl makes a request of an instance. The error is that of the connection.
func curl(t *testing.T, args ...string) (c curled, err error) {
	t.Helper()
	cmd := parts.Curl(t, append([]string{"--include", "--max-time", strconv.Itoa(int(soon.Seconds()))}, args...)...)
	var out, problem bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problem
	if err := cmd.Run(); err != nil {
		return c, fmt.Errorf("curl %v: %w: %s", args, err, &problem)
	}
	text := out.String()
	for strings.HasPrefix(text, "HTTP/1.1 1") { // 100 Continue
		_, text, _ = strings.Cut(text, "\r\n\r\n")
	}
	c.head, c.body, _ = strings.Cut(text, "\r\n\r\n")
	_, code, _ := strings.Cut(c.head, " ")
	c.status, err = strconv.Atoi(code[:3])
	c.head = strings.ToLower(c.head)
	return c, err
}

// published is the answer for a message.
type published struct {
	ID      string `json:"message_id"`
	Topic   string
	Queues  int
	Type    string
	Results []struct {
		ID      string `json:"message_id"`
		Problem *struct{ Status int }
	}
}

// posted expects a status, and a JSON answer that is a problem document if it is no success.
func posted(t *testing.T, status int, args ...string) (p published) {
	t.Helper()
	c, err := curl(t, args...)
	must(t, err)
	if c.status != status || !strings.Contains(c.head, "x-request-id: ") || status >= 400 && !strings.Contains(c.head, "application/problem+json") {
		t.Fatalf("curl %v: %s\n%s", args, c.head, c.body)
	}
	must(t, json.Unmarshal([]byte(c.body), &p))
	return p
}

// TestCurl publishes with curl in every way, reads it over MQTT, and with curl again.
func TestCurl(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "CORS_ORIGINS=https://app.test")
		one, two := "http://"+f.instances[0].http, "http://"+f.instances[1].http
		d := connected(t, "reader", packet.V5, f.instances[1].tcp)
		d.subscribed(1, f.topic("#"))
		page := poll(t, two, url.Values{"filter": {f.topic("#")}})

		for n, path := range []string{"raw", "deep//er/", "with%20space/%C3%BC"} {
			p := posted(t, 200, "--path-as-is", "--data-binary", fmt.Sprint(n), one+"/v1/topics/"+f.topic("%s", path))
			if name, _ := url.PathUnescape(f.topic("%s", path)); p.ID == "" || p.Topic != name || p.Queues < 1 {
				t.Errorf("%s: %+v", path, p)
			}
		}
		posted(t, 202, "--data-binary", "3", one+"/v1/topics/"+f.topic("raw")+"?qos=0")
		posted(t, 200, "--json", `{"topic":"`+f.topic("json")+`","payload":{"n":4},"qos":2}`, one+"/v1/publish")
		posted(t, 200, "--json", `{"topic":"`+f.topic("json")+`","payload":"NQ==","encoding":"base64"}`, two+"/v1/publish")
		batch := posted(t, 207, "--json", `{"messages":[{"topic":"`+f.topic("b")+`","payload":"6"},{"topic":"#"},{"topic":"`+f.topic("b")+`","payload":"7"}]}`, two+"/v1/publish/batch")
		if r := batch.Results; len(r) != 3 || r[0].ID == "" || r[1].Problem == nil || r[1].Problem.Status != 400 || r[2].ID == "" {
			t.Errorf("%+v", batch)
		}
		var ids []string
		for n := range 3 { // the first one, and repetitions at either instance
			ids = append(ids, posted(t, 200, "-H", "Idempotency-Key: k", "--data-binary", "8", []string{one, two, one}[n]+"/v1/topics/"+f.topic("once")).ID)
		}
		if ids[0] == "" || ids[0] != ids[1] || ids[0] != ids[2] {
			t.Errorf("one request made %v", ids)
		}
		if p := posted(t, 422, "-H", "Idempotency-Key: k", "--data-binary", "other", two+"/v1/topics/"+f.topic("once")); p.Type != "urn:lmqgate:problem:key-reused" {
			t.Errorf("%+v", p)
		}
		posted(t, 403, "--data-binary", "x", one+"/v1/topics/$SYS/x")
		large := filepath.Join(t.TempDir(), "large")
		must(t, os.WriteFile(large, make([]byte, 300_000), 0o600))
		posted(t, 413, "--data-binary", "@"+large, one+"/v1/topics/"+f.topic("large"))
		posted(t, 403, "-H", "Origin: https://evil.test", "--data-binary", "x", one+"/v1/topics/"+f.topic("evil"))
		pre, err := curl(t, "-X", "OPTIONS", "-H", "Origin: https://app.test", "-H", "Access-Control-Request-Method: POST", one+"/v1/publish")
		must(t, err)
		if pre.status != 204 || !strings.Contains(pre.head, "access-control-allow-origin: https://app.test") {
			t.Errorf("preflight: %s", pre.head)
		}

		posted(t, 200, "--data-binary", "9", one+"/v1/topics/"+f.topic("last"))
		if !d.gets(soon, 10, nil) {
			t.Errorf("the reader got %v", d.received(nil))
		}
		got := map[string]int{}
		for _, a := range d.received(nil) {
			got[a.payload]++
		}
		want := `map[0:1 1:1 2:1 3:1 5:1 6:1 7:1 8:1 9:1 {"n":4}:1]`
		if fmt.Sprint(got) != want {
			t.Errorf("the reader got %v, want %v", got, want)
		}
		count := 0
		for q := (url.Values{"filter": {f.topic("#")}, "wait": {"60"}}); count < 10; {
			q.Set("after", page.Next)
			page = poll(t, one, q)
			count += len(page.Messages)
		}
		if count != 10 || page.Gap {
			t.Errorf("%d messages were polled, gap %v", count, page.Gap)
		}
	})
}

// TestKeyOutlivesInstance: an instance dies when the broker has acknowledged and the caller has not heard of it. The request
// repeated at another one is answered with the message's id, and the message is there once.
func TestKeyOutlivesInstance(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := prepare(t, b, "STATUS_INTERVAL=0")
		doomed, other := f.add("LMQGATE_TEST_FAILPOINT=dispatch.after_send:1"), f.add()
		doomed.ready()
		other.ready()
		d := connected(t, "reader", packet.V5, other.tcp)
		d.subscribed(1, f.topic("#"))
		request := func(i *instance) []string {
			return []string{"-H", "Idempotency-Key: k", "--data-binary", "x", "http://" + i.http + "/v1/topics/" + f.topic("once")}
		}
		if c, err := curl(t, request(doomed)...); err == nil {
			t.Fatalf("the instance answered %d", c.status)
		}
		eventually(t, 2*soon, func() error { // once the dead instance's time is over
			c, err := curl(t, request(other)...)
			if err == nil && c.status != 200 {
				err = fmt.Errorf("%d %s", c.status, c.body)
			}
			return err
		})
		posted(t, 200, "--data-binary", "last", "http://"+other.http+"/v1/topics/"+f.topic("once"))
		if !d.gets(soon, 1, func(a arrival) bool { return a.payload == "last" }) {
			t.Fatal("the last message did not arrive")
		}
		if all := d.received(nil); len(all) != 2 || all[0].payload != "x" {
			t.Errorf("the reader got %v", all)
		}
	})
}
