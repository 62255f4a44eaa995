package cli

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/eclipse/paho.golang/packets"

	"lmqgate/infra/config"
)

func noGateway(t *testing.T) func(context.Context, config.Config) error {
	return func(context.Context, config.Config) error {
		t.Error("the gateway was started")
		return nil
	}
}

func TestMainRunsGateway(t *testing.T) {
	tests := []struct {
		environ []string
		err     error
		code    int
		stderr  string
	}{
		{nil, nil, 0, ""},
		{nil, errors.New("listen: address in use"), 1, "lmqgate: listen: address in use\n"},
		{[]string{"PORT=x", "LOG_FORMAT=y"}, nil, 2, "PORT: "},
		{[]string{"PORT=x", "LOG_FORMAT=y"}, nil, 2, "\nLOG_FORMAT: "},
	}
	for _, tt := range tests {
		var out, errs bytes.Buffer
		started := false
		code := Main(t.Context(), nil, tt.environ, &out, &errs, func(_ context.Context, cfg config.Config) error {
			started = true
			if cfg.Port != 8080 {
				t.Errorf("port %d", cfg.Port)
			}
			return tt.err
		})
		if code != tt.code || started != (tt.code != 2) || !strings.Contains(errs.String(), tt.stderr) || out.Len() > 0 {
			t.Errorf("%q: code %d, started %v, stderr %q", tt.environ, code, started, errs.String())
		}
	}
}

func TestCommands(t *testing.T) {
	tests := []struct {
		args     []string
		code     int
		out, err string
	}{
		{[]string{"help"}, 0, "usage:", ""},
		{[]string{"--help"}, 0, "lmqgate sub FILTER...", ""},
		{[]string{"version"}, 0, "lmqgate ", ""},
		{[]string{"serve"}, 2, "", `unknown command "serve"`},
		{[]string{"--port=1"}, 2, "", "configured by the environment only"},
		{[]string{"sub"}, 2, "", "name at least one topic filter"},
		{[]string{"sub", "--help"}, 0, "", "usage: lmqgate sub [flags] FILTER..."},
		{[]string{"sub", "--nonsense", "t"}, 2, "", "flag provided but not defined"},
		{[]string{"sub", "t", "--qos", "3"}, 2, "", "--qos 3: give 0, 1 or 2"},
		{[]string{"sub", "t", "--session", "1h"}, 2, "", "--session needs --client-id"},
		{[]string{"sub", "t", "--count", "-1"}, 2, "", "--count -1"},
		{[]string{"sub", "t", "--timeout", "-1s"}, 2, "", "--timeout -1s"},
		{[]string{"sub", "t", "--url", "ftp://h"}, 1, "", "--url takes ws://"},
		{[]string{"pub"}, 2, "", "give a topic"},
		{[]string{"pub", "a", "b", "c"}, 2, "", "at most one payload"},
		{[]string{"pub", "a", "--timeout", "0"}, 2, "", "--timeout 0"},
		{[]string{"pub", "a", "--password", "x", "--hmac-secret", "y"}, 2, "", "leave out --password"},
	}
	for _, tt := range tests {
		got := command(t, t.Context(), tt.args...)
		if got.code != tt.code || !strings.Contains(got.out, tt.out) || !strings.Contains(got.err, tt.err) {
			t.Errorf("%q: %+v", tt.args, got)
		}
	}
}

func TestHMACPassword(t *testing.T) {
	if got := hmacPassword("secret", "abc"); got != "aUq9EIQtFh3bxU34oNV89k0NvMk=" {
		t.Errorf("password %q", got)
	}
}

func TestPub(t *testing.T) {
	type seen struct {
		connect *packets.Connect
		publish *packets.Publish
	}
	tests := []struct {
		name string
		args []string
		want packets.Publish
	}{
		{"defaults", []string{"a/b", "hi"}, packets.Publish{Topic: "a/b", Payload: []byte("hi"), QoS: 1}},
		{"stdin", []string{"a", "-", "--qos", "2"}, packets.Publish{Topic: "a", Payload: []byte("from stdin"), QoS: 2}},
		{"empty retained", []string{"--retain", "--qos=0", "a"}, packets.Publish{Topic: "a", Retain: true}},
		{"behind --", []string{"a", "--", "--qos"}, packets.Publish{Topic: "a", Payload: []byte("--qos"), QoS: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan seen, 1)
			url := webSocket(t, func(p *peer) {
				s := seen{connect: p.accept(0, false)}
				s.publish = p.read().Content.(*packets.Publish)
				p.acknowledge(s.publish, 0)
				p.drain()
				got <- s
			})
			var out, errs bytes.Buffer
			s := streams{in: strings.NewReader("from stdin"), out: &out, err: &errs, environ: []string{"LMQGATE_URL=" + url}}
			err := s.pub(t.Context(), append([]string{"--user", "u", "--hmac-secret", "secret", "--client-id", "abc"}, tt.args...))
			if err != nil {
				t.Fatalf("%v\n%s", err, errs.String())
			}
			g := <-got
			if g.connect.ClientID != "abc" || string(g.connect.Password) != "aUq9EIQtFh3bxU34oNV89k0NvMk=" {
				t.Errorf("CONNECT %+v", g.connect)
			}
			p := g.publish
			if p.Topic != tt.want.Topic || !bytes.Equal(p.Payload, tt.want.Payload) || p.QoS != tt.want.QoS || p.Retain != tt.want.Retain {
				t.Errorf("PUBLISH %+v", p)
			}
		})
	}
}

// acknowledge answers a PUBLISH as its QoS asks, up to the client's last word.
func (p *peer) acknowledge(m *packets.Publish, code byte) {
	switch m.QoS {
	case 1:
		p.write(&packets.Puback{PacketID: m.PacketID, ReasonCode: code, Properties: &packets.Properties{}})
	case 2:
		p.write(&packets.Pubrec{PacketID: m.PacketID, ReasonCode: code, Properties: &packets.Properties{}})
		if code < 0x80 {
			p.read() // PUBREL
			p.write(&packets.Pubcomp{PacketID: m.PacketID, Properties: &packets.Properties{}})
		}
	}
}

func TestPubRefused(t *testing.T) {
	refuse := func(p *peer) {
		p.accept(0, false)
		p.acknowledge(p.read().Content.(*packets.Publish), 0x87)
		p.drain()
	}
	disconnect := func(p *peer) {
		p.accept(0, false)
		p.read()
		p.write(&packets.Disconnect{ReasonCode: 0x95, Properties: &packets.Properties{ReasonString: "at most 10"}})
		p.drain()
	}
	tests := []struct {
		qos  string
		play script
		want string
	}{
		{"1", refuse, "message to t refused: not authorized (0x87)"},
		{"2", refuse, "message to t refused: not authorized (0x87)"},
		{"1", disconnect, "connection refused: packet too large (0x95): at most 10"},
		{"1", func(p *peer) { p.accept(0, false); p.read() }, "publish to t: "},
	}
	for _, tt := range tests {
		got := command(t, t.Context(), "pub", "t", "x", "--qos", tt.qos, "--url", tcp(t, tt.play))
		if got.code != 1 || !strings.Contains(got.err, tt.want) {
			t.Errorf("got %+v, want %q", got, tt.want)
		}
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	for _, tt := range []struct{ url, want string }{
		{"ws://" + closed + "/mqtt", "start a gateway with `lmqgate`"},
		{"tcp://user:pw@" + closed, "connect to tcp://user:xxxxx@" + closed + ": connection refused"},
		{strings.Replace(web.URL, "http", "ws", 1) + "/mqtt", "answered 404 Not Found; is the path right?"},
		{"mqtts://" + web.Listener.Addr().String(), "connect to mqtts://"},
	} {
		got := command(t, t.Context(), "sub", "t", "--url", tt.url)
		if got.code != 1 || !strings.Contains(got.err, tt.want) {
			t.Errorf("%s: %+v, want %q", tt.url, got, tt.want)
		}
	}
}
