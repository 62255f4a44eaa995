package gateway

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// TestThreats holds the threat model to its tests: each that it names exists, and each line names one.
func TestThreats(t *testing.T) {
	text, err := os.ReadFile("../../e2e/THREATS.md")
	must(t, err)
	have := make(map[string]bool)
	must(t, filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`).FindAllStringSubmatch(string(source), -1) {
			have[filepath.ToSlash(filepath.Dir(path))[len("../../"):]+" "+m[1]] = true
		}
		return err
	}))
	lines := 0
	for _, line := range strings.Split(string(text), "\n") {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| threat") {
			continue
		}
		lines++
		cells := strings.Split(line, "|")
		tests := regexp.MustCompile("`([a-z0-9/]+): ([^`]+)`").FindAllStringSubmatch(cells[len(cells)-2], -1)
		if len(tests) == 0 {
			t.Errorf("no test: %s", line)
		}
		for _, m := range tests {
			for _, name := range strings.Fields(m[2]) {
				if !have[m[1]+" "+name] {
					t.Errorf("there is no %s in %s", name, m[1])
				}
			}
		}
	}
	if lines < 15 {
		t.Errorf("%d lines", lines)
	}
}

const theftSecret = "0123456789abcdef0123456789abcdef"

// as is a CONNECT with a token.
func as(t *testing.T, user, id string, v packet.Version, expiry uint32) *packet.Connect {
	c := connect(id, expiry)
	c.Version = v
	c.HasUsername, c.Username, c.HasPassword = true, user, true
	c.Password = []byte(tokenOf(t, theftSecret, map[string]any{"sub": user, "exp": time.Now().Add(time.Hour).Unix()}))
	return c
}

// TestTheft: nobody gets another user's client id, with the session, what waits in it and the will, connected or not.
func TestTheft(t *testing.T) {
	noLeaks(t)
	g := start(t, load(t, "AUTH=jwt,anonymous", "AUTH_JWT_SECRET="+theftSecret, "P2P=true"))
	mine := as(t, "ann", "device", packet.V5, 3600)
	mine.Will = &packet.Will{Topic: "last/words", Payload: []byte("ann is gone"), QoS: 1}
	ann, _ := dial(t, g, mine)
	ann.subscribe("private/#", 1)
	watch, _ := dial(t, g, as(t, "carl", "watch", packet.V5, 0))
	watch.subscribe("last/words", 1)
	steal := func() {
		t.Helper()
		for _, clean := range []bool{false, true} {
			c := as(t, "bob", "device", packet.V5, 3600)
			c.CleanStart = clean
			if _, ack := dial(t, g, c); ack.Code != packet.ClientIdentifierNotValid || ack.SessionPresent {
				t.Errorf("bob, clean %v: %+v", clean, ack)
			}
			c = connect("device", 3600)
			c.CleanStart, c.HasUsername, c.Username = clean, true, "ann" // says who
			if _, ack := dial(t, g, c); ack.Code != packet.ClientIdentifierNotValid {
				t.Errorf("anonymous, clean %v: %+v", clean, ack)
			}
		}
	}
	steal()
	carl, _ := dial(t, g, as(t, "carl", "carl", packet.V5, 0))
	carl.says("private/1", "to ann")
	if p, ok := ann.next().(*packet.Publish); !ok || string(p.Payload) != "to ann" {
		t.Fatalf("ann got %+v", p)
	}
	ann.send(&packet.Puback{PacketID: 1})
	ann.send(&packet.Disconnect{})
	ann.next()
	carl.says("private/2", "waits for ann")
	steal()
	ann, ack := dial(t, g, as(t, "ann", "device", packet.V5, 0))
	if !ack.SessionPresent {
		t.Error("ann has lost her session")
	}
	if p, ok := ann.next().(*packet.Publish); !ok || string(p.Payload) != "waits for ann" {
		t.Errorf("ann got %+v", p)
	}
	ann.send(&packet.Disconnect{}) // it ends here, and is anybody's
	ann.next()
	eventually(t, func() error {
		if _, ack := dial(t, g, as(t, "bob", "device", packet.V5, 0)); ack.Code.Failed() || ack.SessionPresent {
			return fmt.Errorf("%+v", ack)
		}
		return nil
	})
	carl.says("last/words", "the last")
	if p, ok := watch.next().(*packet.Publish); !ok || string(p.Payload) != "the last" {
		t.Errorf("a will was stolen: %+v", p)
	}
}

// TestNoFoothold: names that clients choose stay names, wherever they turn up: in a line of the log, in the key of another, in a
// header, in a filter, in a queue.
func TestNoFoothold(t *testing.T) {
	noLeaks(t)
	defer http.DefaultClient.CloseIdleConnections()
	log := &screen{}
	for _, format := range []string{"json", "text"} {
		g, err := New(load(t, "LOG_FORMAT="+format, "LOG_LEVEL=debug"), Options{Err: log})
		must(t, err)
		must(t, g.Start(t.Context()))
		const evil = "c\" level=ERROR msg=\"forged\r\nforged line\x1b[2J \u2028{\"msg\":\"forged\"}%0aforged"
		c := connect(evil, 0)
		c.HasUsername, c.Username = true, evil
		p, ack := dial(t, g, c)
		if ack.Code.Failed() {
			t.Fatal(ack.Code)
		}
		p.granted("a/" + strings.ReplaceAll(evil, "#", ""))
		p.granted("#/" + evil)
		p.acked("a/"+evil, false)
		p.send(&packet.Disconnect{})
		p.next()
		for _, header := range []string{"X-Request-Id", "X-Mqtt-Client-Id", "Authorization", "Last-Event-Id"} {
			conn, err := net.Dial("tcp", g.HTTPAddr().String())
			must(t, err)
			fmt.Fprintf(conn, "POST /v1/topics/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s: a\x0bb\x1b[2J\"forged\r\nContent-Length: 1\r\n\r\nx", header)
			head, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err == nil && strings.Contains(fmt.Sprint(head.Header), "forged") {
				t.Errorf("%s comes back: %v", header, head.Header)
			}
			_ = conn.Close()
		}
		stop(t, g)
	}
	for _, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
		var said map[string]any
		isJSON := json.Unmarshal([]byte(line), &said) == nil
		if !isJSON && !regexp.MustCompile(`^(time=|\d\d:\d\d)`).MatchString(line) || isJSON && said["msg"] == "forged" ||
			strings.ContainsAny(line, "\x1b\r\u2028") {
			t.Errorf("a forged line: %q", line)
		}
	}
}

// TestNamesAreApart: topics that look alike, to people or to encodings, never reach each other's subscribers.
func TestNamesAreApart(t *testing.T) {
	noLeaks(t)
	g := start(t, load(t))
	names := []string{
		"lmq/a", "lmq/а", "lmq/ａ", "lmq/A", "lmq/a ", "lmq/a/", "lmq//a", "lmq/%61", "lmq/a%00", "lmq/a,b", "lmq/a;b", "lmq/%LMQ%x", "%LMQ%lmq/a", "lmq%2Fa",
		"lmq/a\u200b", "lmq/e\u0301", "lmq/é", "lmq/a\\b", "lmq/$share/g/a", "lmq/../a", "lmq/.", "lmq/a?x", "lmq/{a}", "lmq/a\tb", "lmq/" + strings.Repeat("a", 300),
		"lmq/" + strings.Repeat("a", 299) + "b",
	}
	var list []*peer
	for i, name := range names {
		c, _ := dial(t, g, connect(fmt.Sprint("sub", i), 0))
		c.subscribe(name, 1)
		list = append(list, c)
	}
	pub, _ := dial(t, g, connect("pub", 0))
	for _, name := range names {
		pub.says(name, name)
	}
	for _, name := range names {
		pub.says(name, "end")
	}
	for i, c := range list {
		var got []string
		for {
			p, ok := c.next().(*packet.Publish)
			if !ok {
				t.Fatalf("%q: %+v", names[i], p)
			}
			c.send(&packet.Puback{PacketID: p.PacketID})
			if got = append(got, p.Topic+" "+string(p.Payload)); string(p.Payload) == "end" {
				break
			}
		}
		if want := []string{names[i] + " " + names[i], names[i] + " end"}; !slices.Equal(got, want) {
			t.Errorf("%q got %q", names[i], got)
		}
	}
	nul, _ := dial(t, g, connect("nul", 0))
	nul.send(&packet.Publish{Topic: "lmq/a", QoS: 1, PacketID: 1})
	nul.next()
	raw, err := (&packet.Publish{Topic: "lmq/aX", QoS: 1, PacketID: 2}).Append(nil, packet.V5)
	must(t, err)
	_, err = nul.conn.Write([]byte(strings.Replace(string(raw), "aX", "a\x00", 1)))
	must(t, err)
	if code := nul.disconnected(); !code.Failed() {
		t.Errorf("NUL in a topic: %v", code)
	}
}

// TestAddressesBehindProxies: the limit of one address counts the client's own, as a trusted proxy tells it.
func TestAddressesBehindProxies(t *testing.T) {
	noLeaks(t)
	g := start(t, load(t, "ADDRESS_CONNECT_RATE=1", "PROXY_PROTOCOL=true", "TRUSTED_PROXIES=127.0.0.1/32"))
	connects := func(from string) packet.ReasonCode {
		t.Helper()
		conn, err := net.Dial("tcp", g.TCPAddr().String())
		must(t, err)
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err = fmt.Fprintf(conn, "PROXY TCP4 %s 127.0.0.1 1000 1883\r\n", from)
		must(t, err)
		c := &peer{t: t, conn: conn, dec: packet.NewDecoder(conn, 0)}
		c.dec.SetVersion(packet.V5)
		c.send(connect("", 0))
		ack, ok := c.next().(*packet.Connack)
		if !ok {
			t.Fatal("no CONNACK")
		}
		return ack.Code
	}
	for n := 0; ; n++ { // on a slow machine some more than one a second are
		code := connects("192.0.2.1")
		if code == packet.ConnectionRateExceeded && n > 0 {
			break
		}
		if code.Failed() || n > 1000 {
			t.Fatalf("connect %d: %v", n, code)
		}
	}
	if code := connects("192.0.2.2"); code.Failed() {
		t.Errorf("another address: %v", code)
	}
}
