package e2e

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"lmqgate/adapter/packet"
)

// userbase is whom AUTH=http asks: one user with one password.
type userbase struct {
	mu     sync.Mutex // protects the fields below
	broken bool
	asked  int
	tokens map[string]bool // in Authorization
}

// ServeHTTP is the callback.
func (u *userbase) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var login struct{ Username, Password string }
	_ = json.NewDecoder(r.Body).Decode(&login)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.asked++
	u.tokens[r.Header.Get("Authorization")] = true
	switch {
	case u.broken:
		http.Error(w, `{"result":"allow"}`, http.StatusInternalServerError)
	case login.Username == "ann" && login.Password == "callback-password":
		_, _ = io.WriteString(w, `{"result":"allow","acl":{"all":["ann/#"]}}`)
	default:
		_, _ = io.WriteString(w, `{"result":"deny"}`)
	}
}

func (u *userbase) breaks(broken bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.broken = broken
}

// TestCallback: a URL decides who may connect, over MQTT and HTTP; what it said counts for the very same credentials while it is broken, and nobody
// else gets in then.
func TestCallback(t *testing.T) {
	t.Parallel()
	u := &userbase{tokens: make(map[string]bool)}
	srv := httptest.NewServer(u)
	t.Cleanup(srv.Close)
	f := start(t, 1, mini, "AUTH=http,anonymous", "AUTH_HTTP_URL="+srv.URL+"/?key=url-secret", "AUTH_HTTP_TOKEN=callback-token", "AUTH_FAILURES=0", "LOG_LEVEL=debug")
	i := f.instances[0]
	login := func(id, user, password string) packet.ReasonCode {
		t.Helper()
		w := dialed(t, i.tcp, packet.V5)
		defer w.cut()
		w.send(&packet.Connect{Version: packet.V5, ClientID: id, CleanStart: true, HasUsername: true, Username: user, HasPassword: true, Password: []byte(password)})
		return want[*packet.Connack](t, w).Code
	}
	if a, b := login("c1", "ann", "callback-password"), login("c1", "ann", "callback-guess"); a != packet.Success || b != packet.BadUserNameOrPassword {
		t.Errorf("CONNACK %v and %v", a, b)
	}
	to := "http://" + i.http + "/v1/topics/"
	posted(t, 200, "--user", "ann:callback-password", "--data-binary", "x", to+"ann/x")
	posted(t, 403, "--user", "ann:callback-password", "--data-binary", "x", to+"bob/x")
	posted(t, 401, "--user", "ann:callback-guess", "--data-binary", "x", to+"ann/x")
	u.breaks(true)
	if a, b := login("c1", "ann", "callback-password"), login("c2", "ann", "callback-password"); a != packet.Success || b != packet.ServerUnavailable {
		t.Errorf("while it is broken: CONNACK %v with credentials it knew, %v with others", a, b)
	}
	posted(t, 503, "--user", "ann:callback-other", "--data-binary", "x", to+"ann/x")
	u.breaks(false)
	if code := login("c2", "ann", "callback-password"); code != packet.Success {
		t.Errorf("CONNACK %v", code)
	}
	u.mu.Lock()
	if len(u.tokens) != 1 || !u.tokens["Bearer callback-token"] {
		t.Errorf("the callback was shown %v", u.tokens)
	}
	u.mu.Unlock()
	i.terminate()
	keptFromLogs(t, i, "callback-password", "callback-guess", "callback-other", "callback-token", "url-secret",
		base64.StdEncoding.EncodeToString([]byte("ann:callback-password")))
}

// TestGuesses: failed logins count by the real address behind proxies, which is told by PROXY headers on one instance and by
// X-Forwarded-For on the other, over MQTT and HTTP. The user gets in from elsewhere.
func TestGuesses(t *testing.T) {
	t.Parallel()
	const good = "aUq9EIQtFh3bxU34oNV89k0NvMk=" // of client id abc
	f := prepare(t, mini, "AUTH=hmac", "AUTH_USERNAME=user", "AUTH_SECRET_KEY=secret", "AUTH_FAILURES=3", "TRUSTED_PROXIES=127.0.0.1/32")
	plain, proxied := f.add(), f.add("PROXY_PROTOCOL=on")
	plain.ready()
	viaProxy := func(from string) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, addr)
			if err == nil {
				_, err = fmt.Fprintf(c, "PROXY TCP4 %s 127.0.0.1 1000 1883\r\n", from)
			}
			return c, err
		}
	}
	// post publishes by HTTP, from an address that a header tells, and one that PROXY does.
	post := func(i *instance, from, forwarded, password string) int {
		t.Helper()
		transport := &http.Transport{DisableKeepAlives: true}
		if from != "" {
			transport.DialContext = viaProxy(from)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+i.http+"/v1/topics/"+f.topic("x"), strings.NewReader("x"))
		must(t, err)
		r.SetBasicAuth("user", password)
		r.Header.Set("X-Mqtt-Client-Id", "abc")
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		resp, err := (&http.Client{Transport: transport, Timeout: soon}).Do(r)
		must(t, err)
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	connects := func(from, password string) packet.ReasonCode {
		t.Helper()
		c, err := viaProxy(from)(t.Context(), "tcp", proxied.tcp)
		must(t, err)
		w := &wire{conn: c, v: packet.V5, changed: make(chan struct{})}
		go w.read()
		defer w.cut()
		w.send(&packet.Connect{Version: packet.V5, ClientID: "abc", CleanStart: true, HasUsername: true, Username: "user", HasPassword: true, Password: []byte(password)})
		return want[*packet.Connack](t, w).Code
	}
	eventually(t, startLimit, func() error {
		if code := connects("203.0.113.9", good); code != packet.Success {
			return fmt.Errorf("CONNACK %v", code)
		}
		return nil
	})
	// One more guess is looked at every six seconds: on a slow machine some more than three are, but not as many as these.
	const guesses = 40
	first, limited := 0, 0
	for limited == 0 && first < guesses {
		switch code := connects("203.0.113.1", "guess"); code {
		case packet.BadUserNameOrPassword:
			first++
		case packet.ConnectionRateExceeded:
			limited++
		default:
			t.Fatalf("CONNACK %v", code)
		}
	}
	if first < 3 || limited == 0 {
		t.Errorf("%d guesses were looked at, %d not", first, limited)
	}
	if code := connects("203.0.113.2", good); code != packet.Success {
		t.Errorf("from another address: CONNACK %v", code)
	}
	guess := func(i *instance, from, forwarded string) (looked int) {
		t.Helper()
		for n := range guesses {
			switch status := post(i, from, forwarded, "guess"); status {
			case http.StatusUnauthorized:
				looked++
			case http.StatusTooManyRequests:
				return looked
			default:
				t.Fatalf("guess %d: %d", n, status)
			}
		}
		t.Errorf("all guesses of %s are looked at", from+forwarded)
		return looked
	}
	if n := guess(proxied, "203.0.113.3", ""); n < 3 {
		t.Errorf("%d guesses by HTTP were looked at behind PROXY", n)
	}
	// X-Forwarded-For of who is no trusted proxy does not count: he would have any number of addresses.
	if n := guess(proxied, "203.0.113.4", "198.51.100.1"); n < 3 {
		t.Errorf("%d guesses with an address of one's own", n)
	}
	if n := guess(proxied, "203.0.113.4", "198.51.100.2"); n > 2 {
		t.Errorf("%d guesses more with another address of one's own", n)
	}
	if status := post(proxied, "203.0.113.5", "", good); status != http.StatusOK {
		t.Errorf("from another address: %d", status)
	}
	if n := guess(plain, "", "198.51.100.1"); n < 3 {
		t.Errorf("%d guesses by HTTP were looked at behind X-Forwarded-For", n)
	}
	if status := post(plain, "", "198.51.100.2", good); status != http.StatusOK {
		t.Errorf("from another address: %d", status)
	}
}

// TestHTTP10: callers of HTTP/1.0 publish and read as others do; a stream without chunks ends with its connection.
func TestHTTP10(t *testing.T) {
	t.Parallel()
	f := start(t, 1, mini)
	i := f.instances[0]
	speak := func(request string) *bufio.Reader {
		t.Helper()
		c, err := net.Dial("tcp", i.http)
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		_, err = io.WriteString(c, request)
		must(t, err)
		return bufio.NewReader(c)
	}
	lines := func(r *bufio.Reader, until string) {
		t.Helper()
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("before %q: %v", until, err)
			}
			if strings.Contains(line, "Transfer-Encoding") {
				t.Errorf("HTTP/1.0 has no %q", line)
			}
			if strings.TrimRight(line, "\r\n") == until {
				return
			}
		}
	}
	stream := speak("GET /v1/stream?format=raw&filter=" + f.topic("x") + " HTTP/1.0\r\nHost: gateway\r\n\r\n")
	lines(stream, "") // the header
	lines(stream, "") // the position: the filter is held
	resp, err := http.ReadResponse(speak("POST /v1/topics/"+f.topic("x")+" HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello"), nil)
	must(t, err)
	answer, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK || !resp.Close || !strings.Contains(string(answer), "message_id") {
		t.Errorf("%s %s", resp.Status, answer)
	}
	lines(stream, "data: hello")
	resp, err = http.ReadResponse(speak("GET /v1/messages?filter="+f.topic("x")+" HTTP/1.0\r\n\r\n"), nil)
	must(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Errorf("long poll: %s", resp.Status)
	}
}

// TestPublishWhileDraining: what was answered with success before, while and after SIGTERM is delivered.
func TestPublishWhileDraining(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		going := f.instances[0]
		d := connected(t, "reader", packet.V5, f.instances[1].tcp)
		d.subscribed(1, f.topic("#"))
		var mu sync.Mutex
		var accepted []string
		enough := make(chan struct{})
		var callers sync.WaitGroup
		for n := range 4 {
			callers.Go(func() {
				client := &http.Client{Transport: &http.Transport{}, Timeout: soon}
				defer client.CloseIdleConnections()
				for m := 0; ; m++ {
					text := fmt.Sprintf("%d-%d", n, m)
					resp, err := client.Post("http://"+going.http+"/v1/topics/"+f.topic("x"), "text/plain", strings.NewReader(text))
					if err != nil {
						return // it is gone
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						return
					}
					mu.Lock()
					if accepted = append(accepted, text); len(accepted) == 40 {
						close(enough)
					}
					mu.Unlock()
				}
			})
		}
		over := make(chan struct{})
		go func() { callers.Wait(); close(over) }()
		select {
		case <-enough:
		case <-over:
			t.Fatalf("only %d messages were accepted", len(accepted))
		}
		if status := going.terminate(); status != 0 {
			t.Errorf("exit status %d", status)
		}
		<-over
		eventually(t, soon, func() error {
			got := make(map[string]bool)
			for _, a := range d.received(nil) {
				got[a.payload] = true
			}
			for n, text := range accepted {
				if !got[text] {
					return fmt.Errorf("%s, the message %d of %d that were accepted, did not come", text, n+1, len(accepted))
				}
			}
			return nil
		})
	})
}
