package e2e

import (
	"context"
	"errors"
	"net/http"

	"github.com/coder/websocket"

	"lmqgate/adapter/packet"
)

// webSocket opens one at an instance of the row, whatever the row's transport is.
func (s *scene) webSocket(ctx context.Context, protocols ...string) (*websocket.Conn, *http.Response, error) {
	c, res, err := websocket.Dial(ctx, s.address(s.at.fleet, "ws"), &websocket.DialOptions{Subprotocols: protocols})
	if err == nil {
		s.Cleanup(func() { _ = c.CloseNow() })
	}
	return c, res, err
}

// textFrame ends the connection, before CONNECT and after it.
func textFrame(s *scene) {
	ctx, cancel := context.WithTimeout(s.Context(), soon)
	defer cancel()
	connect := encode(s.v, &packet.Connect{Version: s.v, ClientID: s.tag, CleanStart: true})
	for _, before := range []bool{true, false} {
		c, _, err := s.webSocket(ctx, "mqtt")
		must(s, err)
		if !before {
			must(s, c.Write(ctx, websocket.MessageBinary, connect))
			_, _, err = c.Read(ctx)
			must(s, err)
		}
		must(s, c.Write(ctx, websocket.MessageText, connect))
		for err == nil {
			_, _, err = c.Read(ctx)
		}
		if ctx.Err() != nil || websocket.CloseStatus(err) == -1 && errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("before CONNECT %v: stays open: %v", before, err)
		}
	}
}

// binaryFrames: the server sends no other.
func binaryFrames(s *scene) {
	ctx, cancel := context.WithTimeout(s.Context(), soon)
	defer cancel()
	c, _, err := s.webSocket(ctx, "mqtt")
	must(s, err)
	must(s, c.Write(ctx, websocket.MessageBinary, encode(s.v, &packet.Connect{Version: s.v, ClientID: s.tag, CleanStart: true})))
	for range 3 {
		kind, _, err := c.Read(ctx)
		must(s, err)
		if kind != websocket.MessageBinary {
			s.Errorf("frame of type %v", kind)
		}
		must(s, c.Write(ctx, websocket.MessageBinary, []byte{0xc0, 0}))
	}
}

// notAligned: packets in pieces, and several in one frame.
func notAligned(s *scene) {
	ctx, cancel := context.WithTimeout(s.Context(), soon)
	defer cancel()
	c, _, err := s.webSocket(ctx, "mqtt")
	must(s, err)
	stream := join(encode(s.v, &packet.Connect{Version: s.v, ClientID: s.tag, CleanStart: true}),
		encode(s.v, &packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: s.topic("x")}}}),
		encode(s.v, &packet.Publish{Topic: s.topic("y"), QoS: 1, PacketID: 2, Payload: make([]byte, 300)}))
	pings := join(fixed(0xc0), fixed(0xc0), fixed(0xc0), fixed(0xc0)[:1])
	for _, b := range stream { // one byte a frame, with empty frames between
		must(s, c.Write(ctx, websocket.MessageBinary, []byte{b}))
		if b == 'M' {
			must(s, c.Write(ctx, websocket.MessageBinary, nil))
		}
	}
	must(s, c.Write(ctx, websocket.MessageBinary, pings)) // three and a half
	must(s, c.Write(ctx, websocket.MessageBinary, []byte{0}))
	count := map[byte]int{}
	var got []byte
	for count[byte(packet.PINGRESP)] < 4 || count[byte(packet.PUBACK)] < 1 {
		_, b, err := c.Read(ctx)
		must(s, err)
		got = append(got, b...)
		list, _, err := frames(got)
		must(s, err)
		clear(count)
		for _, f := range list {
			count[f.kind]++
		}
	}
	if count[byte(packet.CONNACK)] != 1 || count[byte(packet.SUBACK)] != 1 {
		s.Errorf("answers by type: %v", count)
	}
}

// subprotocol: it is chosen among others, and without it there is no connection.
func subprotocol(s *scene) {
	ctx, cancel := context.WithTimeout(s.Context(), soon)
	defer cancel()
	for _, offer := range [][]string{{"mqtt"}, {"chat", "mqtt"}, {"mqtt", "chat"}, {"mqttv3.1", "mqtt"}} {
		c, res, err := s.webSocket(ctx, offer...)
		must(s, err)
		if got := res.Header.Values("Sec-WebSocket-Protocol"); c.Subprotocol() != "mqtt" || len(got) != 1 || got[0] != "mqtt" {
			s.Errorf("offered %q, chosen %q", offer, got)
		}
	}
	for _, offer := range [][]string{nil, {"chat"}, {"MQTT"}, {"mqtt5"}} {
		if _, _, err := s.webSocket(ctx, offer...); err == nil {
			s.Errorf("offered %q and was let in", offer)
		}
	}
}
