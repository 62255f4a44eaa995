package cli

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/eclipse/paho.golang/packets"
)

// server is a scripted MQTT 5 server on loopback: each connection gets the next script, and further ones the last.
type server struct {
	t       *testing.T
	scripts []script
	mu      sync.Mutex // protects next
	next    int
}

// script plays the server's side of one connection, which ends when it returns.
type script func(*peer)

// peer is the server's side of a connection. Its methods return nil or do nothing once the connection is gone.
type peer struct {
	t    *testing.T
	conn net.Conn
}

// tcp serves the scripts over TCP and returns the URL.
func tcp(t *testing.T, scripts ...script) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, scripts: scripts}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { s.play(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return "tcp://" + l.Addr().String()
}

// webSocket serves the scripts over WebSocket at /mqtt and returns the URL.
func webSocket(t *testing.T, scripts ...script) string {
	t.Helper()
	s := &server{t: t, scripts: scripts}
	mux := http.NewServeMux()
	mux.HandleFunc("/mqtt", func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}})
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		s.play(websocket.NetConn(context.Background(), c, websocket.MessageBinary))
	})
	h := httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return "ws" + strings.TrimPrefix(h.URL, "http") + "/mqtt"
}

func (s *server) play(conn net.Conn) {
	defer conn.Close()
	s.mu.Lock()
	one := s.scripts[min(s.next, len(s.scripts)-1)]
	s.next++
	s.mu.Unlock()
	one(&peer{t: s.t, conn: conn})
}

// read returns the next packet but PINGREQ, which it answers; nil when the client has gone.
func (p *peer) read() *packets.ControlPacket {
	for {
		packet, err := packets.ReadPacket(p.conn)
		switch {
		case err != nil:
			return nil
		case packet.Type != packets.PINGREQ:
			return packet
		}
		_, _ = packets.NewControlPacket(packets.PINGRESP).WriteTo(p.conn)
	}
}

func (p *peer) write(packet io.WriterTo) { _, _ = packet.WriteTo(p.conn) }

// accept reads CONNECT, answers with the code, and returns it.
func (p *peer) accept(code byte, present bool) *packets.Connect {
	packet := p.read()
	if packet == nil {
		return nil
	}
	connect, ok := packet.Content.(*packets.Connect)
	if !ok {
		p.t.Errorf("the first packet is a %s", packet.PacketType())
		return nil
	}
	p.write(&packets.Connack{ReasonCode: code, SessionPresent: present, Properties: &packets.Properties{}})
	return connect
}

// subscribed reads SUBSCRIBE, grants what it asks or answers code for every filter, and returns it.
func (p *peer) subscribed(code byte) *packets.Subscribe {
	packet := p.read()
	if packet == nil {
		return nil
	}
	request, ok := packet.Content.(*packets.Subscribe)
	if !ok {
		p.t.Errorf("expected SUBSCRIBE, got %s", packet.PacketType())
		return nil
	}
	answer := &packets.Suback{PacketID: request.PacketID, Properties: &packets.Properties{}}
	for _, one := range request.Subscriptions {
		granted := one.QoS
		if code != 0 {
			granted = code
		}
		answer.Reasons = append(answer.Reasons, granted)
	}
	p.write(answer)
	return request
}

// publish sends a message; with QoS 1 it has packet id id.
func (p *peer) publish(topic, payload string, qos byte, id uint16) {
	p.write(&packets.Publish{
		Topic: topic, Payload: []byte(payload), QoS: qos, PacketID: id, Properties: &packets.Properties{},
	})
}

// drain reads until the client has gone and returns what it sent.
func (p *peer) drain() []*packets.ControlPacket {
	var all []*packets.ControlPacket
	for packet := p.read(); packet != nil; packet = p.read() {
		all = append(all, packet)
	}
	return all
}
