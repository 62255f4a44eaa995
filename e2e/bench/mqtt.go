package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"

	"lmqgate/adapter/packet"
)

// mqtt is a client with little of its own, so that the gateway is what is measured.
type mqtt struct {
	conn net.Conn
	dec  *packet.Decoder
	mu   sync.Mutex
	buf  []byte
	acks chan uint16 // PUBACKs of what this client published
	got  func(p *packet.Publish, at time.Time)
	bye  chan packet.ReasonCode // DISCONNECT from the gateway
}

// connectOptions are what a row asks for.
type connectOptions struct {
	id     string
	expiry uint32
	ws     bool
	got    func(p *packet.Publish, at time.Time)
}

func dial(addr string, o connectOptions) (*mqtt, error) {
	conn, err := open(addr, o.ws)
	if err != nil {
		return nil, err
	}
	m := &mqtt{conn: conn, got: o.got, acks: make(chan uint16, 1024), bye: make(chan packet.ReasonCode, 1)}
	size := 4096
	if o.got == nil {
		size = 512
	}
	m.dec = packet.NewDecoder(bufio.NewReaderSize(conn, size), 1<<20)
	m.dec.SetVersion(packet.V5)
	c := &packet.Connect{Version: packet.V5, CleanStart: o.expiry == 0, ClientID: o.id, KeepAlive: 240}
	c.Properties.SessionExpiry = o.expiry
	if err := m.send(c); err != nil {
		return nil, err
	}
	p, err := m.dec.Next()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	ack, ok := p.(*packet.Connack)
	if !ok || ack.Code != packet.Success {
		return nil, fmt.Errorf("connect: %+v", p)
	}
	return m, nil
}

func open(addr string, ws bool) (net.Conn, error) {
	if !ws {
		return net.Dial("tcp", addr)
	}
	c, _, err := websocket.Dial(context.Background(), "ws://"+addr+"/mqtt", &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		return nil, err
	}
	return websocket.NetConn(context.Background(), c, websocket.MessageBinary), nil
}

func (m *mqtt) send(p packet.Packet) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var err error
	if m.buf, err = p.Append(m.buf[:0], packet.V5); err != nil {
		return err
	}
	_, err = m.conn.Write(m.buf)
	return err
}

// subscribe waits for the SUBACK; read must not run yet.
func (m *mqtt) subscribe(filter string, qos byte) error {
	if err := m.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: filter, QoS: qos}}}); err != nil {
		return err
	}
	p, err := m.dec.Next()
	if err != nil {
		return err
	}
	if a, ok := p.(*packet.Suback); !ok || a.Codes[0].Failed() {
		return fmt.Errorf("subscribe: %+v", p)
	}
	return nil
}

// read handles what comes until the connection ends.
func (m *mqtt) read() {
	for {
		p, err := m.dec.Next()
		if err != nil {
			return
		}
		switch p := p.(type) {
		case *packet.Publish:
			at := time.Now()
			if p.QoS == 1 {
				_ = m.send(&packet.Puback{PacketID: p.PacketID})
			}
			if m.got != nil {
				m.got(p, at)
			}
		case *packet.Puback:
			m.acks <- p.PacketID
		case *packet.Disconnect:
			m.bye <- p.Code
		}
	}
}

// publish sends a message that carries the time of its sending.
func (m *mqtt) publish(topic string, qos byte, id uint16, size int) error {
	payload := make([]byte, max(size, 8))
	binary.BigEndian.PutUint64(payload, uint64(time.Now().UnixNano()))
	return m.send(&packet.Publish{Topic: topic, QoS: qos, PacketID: id, Payload: payload})
}

func sentAt(payload []byte) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(payload)))
}
