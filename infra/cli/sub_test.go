package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
)

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// command runs Main to its end with a gateway that must not be started.
func command(t *testing.T, ctx context.Context, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := Main(ctx, args, nil, &out, &errs, noGateway(t))
	return result{code, out.String(), errs.String()}
}

func TestSubPrintsAndEndsAfterCount(t *testing.T) {
	acks := make(chan []*packets.ControlPacket, 1)
	play := func(p *peer) {
		connect := p.accept(0, false)
		if !connect.CleanStart || connect.ClientID == "" || connect.Username != "bob" {
			t.Errorf("CONNECT %+v", connect)
		}
		request := p.subscribed(0)
		if len(request.Subscriptions) != 2 || request.Subscriptions[0].QoS != 1 {
			t.Errorf("SUBSCRIBE %+v", request)
		}
		p.publish("a/b", "hello world", 0, 0)
		p.publish("a/c", "two\nlines", 1, 1)
		p.publish("a/d", "one too many", 1, 2)
		acks <- p.drain()
	}
	for name, url := range map[string]string{"tcp": tcp(t, play), "websocket": webSocket(t, play)} {
		t.Run(name, func(t *testing.T) {
			got := command(t, t.Context(), "sub", "a/#", "--url", url, "--count", "2", "b", "--user", "bob")
			want := result{0, "a/b hello world\na/c \"two\\nlines\"\n", ""}
			if got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			// The message that was not printed must not be acknowledged, the printed one must.
			var types []string
			for _, packet := range <-acks {
				types = append(types, packet.PacketType())
				if ack, ok := packet.Content.(*packets.Puback); ok && ack.PacketID != 1 {
					t.Errorf("PUBACK of %d", ack.PacketID)
				}
			}
			if strings.Join(types, " ") != "PUBACK DISCONNECT" {
				t.Errorf("the client sent %v behind SUBSCRIBE", types)
			}
		})
	}
}

func TestSubResumesSession(t *testing.T) {
	url := tcp(t,
		func(p *peer) {
			connect := p.accept(0, false)
			if connect.CleanStart || *connect.Properties.SessionExpiryInterval != 3600 || connect.ClientID != "c1" {
				t.Errorf("CONNECT %+v", connect)
			}
			if got := p.subscribed(0); got.Subscriptions[0].RetainHandling != 1 {
				t.Errorf("SUBSCRIBE %+v", got)
			}
			p.publish("t", "first", 1, 1)
			p.read() // PUBACK, then the connection is cut
		},
		func(p *peer) { p.conn.Close() },
		func(p *peer) {
			if connect := p.accept(0, true); connect.CleanStart {
				t.Error("the second CONNECT would clear the session")
			}
			p.subscribed(0)
			p.publish("t", "second", 1, 2)
			p.drain()
		})
	var out, errs bytes.Buffer
	var attempts []int
	s := subscriber{
		streams: streams{out: &out, err: &errs}, filters: []string{"t"},
		options: &options{url: url, qos: 1, clientID: "c1", session: time.Hour, count: 2},
		backoff: func(attempt int) time.Duration { attempts = append(attempts, attempt); return 0 },
	}
	if err := s.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if out.String() != "t first\nt second\n" || !strings.Contains(errs.String(), "connecting again") {
		t.Errorf("printed %q, %q", out.String(), errs.String())
	}
	if len(attempts) != 2 || attempts[1] != 1 {
		t.Errorf("waits before attempts %v, want [0 1]", attempts)
	}
}

func TestSubEndsOnTakeover(t *testing.T) {
	url := tcp(t, func(p *peer) {
		p.accept(0, false)
		p.subscribed(0)
		p.write(&packets.Disconnect{ReasonCode: 0x8E, Properties: &packets.Properties{}})
		p.drain()
	})
	got := command(t, t.Context(), "sub", "--url", url, "t")
	if got.code != 1 || !strings.Contains(got.err, "session taken over (0x8E)") {
		t.Errorf("got %+v", got)
	}
}

func TestSubRefusals(t *testing.T) {
	connack := func(code byte) script { return func(p *peer) { p.accept(code, false); p.drain() } }
	suback := func(code byte) script { return func(p *peer) { p.accept(0, false); p.subscribed(code); p.drain() } }
	tests := []struct {
		play script
		want string
	}{
		{connack(0x86), "connection refused: bad user name or password (0x86); give --user"},
		{connack(0x88), "connection refused: server unavailable (0x88); the gateway cannot reach"},
		{connack(0xFF), "connection refused: unknown reason (0xFF)"},
		{suback(0x87), "subscription to t refused: not authorized (0x87)"},
		{suback(0x97), "subscription to t refused: quota exceeded (0x97)"},
		{func(p *peer) { p.read() }, "wait for CONNACK"},
	}
	for _, tt := range tests {
		got := command(t, t.Context(), "sub", "t", "--url", tcp(t, tt.play))
		if got.code != 1 || !strings.Contains(got.err, tt.want) || got.out != "" {
			t.Errorf("got %+v, want %q", got, tt.want)
		}
	}
}

// TestSubInterrupted ends the command as Ctrl-C does: in order, with DISCONNECT, without an error.
func TestSubInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	last := make(chan []*packets.ControlPacket, 1)
	url := tcp(t, func(p *peer) {
		p.accept(0, false)
		p.subscribed(0)
		interrupt()
		last <- p.drain()
	})
	if got := command(t, ctx, "sub", "t", "--url", url); got != (result{}) {
		t.Errorf("got %+v", got)
	}
	// An interrupt between SUBSCRIBE and SUBACK also leaves by DISCONNECT.
	if sent := <-last; len(sent) != 1 || sent[0].Type != packets.DISCONNECT {
		t.Errorf("the client sent %v", sent)
	}
}

func TestSubTimeout(t *testing.T) {
	url := tcp(t, func(p *peer) { p.accept(0, false); p.subscribed(0); p.drain() })
	got := command(t, t.Context(), "sub", "t", "--url", url, "--count", "3", "--timeout", "50ms")
	if got.code != 1 || !strings.Contains(got.err, "timed out after 50ms with 0 of 3 messages") {
		t.Errorf("got %+v", got)
	}
	if got := command(t, t.Context(), "sub", "t", "--url", url, "--timeout", "50ms"); got != (result{}) {
		t.Errorf("without --count: %+v", got)
	}
}

func TestSubVerbose(t *testing.T) {
	url := tcp(t, func(p *peer) {
		p.accept(0, false)
		p.subscribed(0)
		p.write(&packets.Publish{Topic: "t", Payload: []byte("x"), Retain: true, Properties: &packets.Properties{}})
		p.drain()
	})
	got := command(t, t.Context(), "sub", "-v", "t", "--url", url, "--count", "1", "--client-id", "c9")
	if got.code != 0 || got.out != "t x (qos 0, retained)\n" || !strings.Contains(got.err, "as c9, session present: false, QoS granted: [1]") {
		t.Errorf("got %+v", got)
	}
}

// brokenPipe fails every write.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestSubDoesNotAcknowledgeWhatItCouldNotPrint(t *testing.T) {
	sent := make(chan []*packets.ControlPacket, 1)
	url := tcp(t, func(p *peer) {
		p.accept(0, false)
		p.subscribed(0)
		p.publish("t", "x", 1, 1)
		sent <- p.drain()
	})
	err := streams{out: brokenPipe{}, err: io.Discard}.sub(t.Context(), []string{"--url", url, "t"})
	if err == nil || !strings.Contains(err.Error(), "broken pipe") {
		t.Errorf("error %v", err)
	}
	for _, packet := range <-sent {
		if packet.Type == packets.PUBACK {
			t.Error("a message that was not printed is acknowledged")
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"grüße 世界\t.": "grüße 世界\t.", "": "", "\x1b[2J": `"\x1b[2J"`, "a\r": `"a\r"`, "\xff": `"\xff"`,
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestBackoffBounds(t *testing.T) {
	for attempt := range 40 {
		if d := backoff(attempt); d < 250*time.Millisecond || d > 16*time.Second {
			t.Errorf("backoff(%d) = %v", attempt, d)
		}
	}
}
