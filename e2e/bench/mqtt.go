package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/coder/websocket"

	"lmqgate/adapter/packet"
)

// mqtt is a client with little of its own, so that the gateway is what is measured.
type mqtt struct {
	conn    net.Conn
	dec     *packet.Decoder
	version packet.Version
	present bool // the session was there
	silent  bool
	mu      sync.Mutex
	buf     []byte
	acks    chan uint16 // PUBACKs and PUBCOMPs of what this client published; what nobody takes is dropped
	subs    chan error  // outcomes of SUBSCRIBE and UNSUBSCRIBE
	got     func(p *packet.Publish, at time.Time)
	bye     chan packet.ReasonCode // DISCONNECT from the gateway
	gone    chan struct{}          // closed when read has ended
}

// connectOptions are what a row asks for.
type connectOptions struct {
	id      string
	expiry  uint32 // 0 is a clean session
	ws      bool
	old     bool   // MQTT 3.1.1
	receive uint16 // Receive Maximum
	silent  bool   // acknowledges nothing
	got     func(p *packet.Publish, at time.Time)
}

func (o connectOptions) connect() *packet.Connect {
	c := &packet.Connect{Version: packet.V5, CleanStart: o.expiry == 0, ClientID: o.id, KeepAlive: 240}
	if o.old {
		c.Version = packet.V311
		return c
	}
	c.Properties.SessionExpiry, c.Properties.ReceiveMaximum = o.expiry, o.receive
	return c
}

func dial(addr string, o connectOptions) (*mqtt, error) {
	conn, err := open(addr, o.ws)
	if err != nil {
		return nil, err
	}
	m, err := join(conn, o)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return m, nil
}

// join sends CONNECT and waits for CONNACK, which comes within 30 s or not at all.
func join(conn net.Conn, o connectOptions) (*mqtt, error) {
	c := o.connect()
	m := &mqtt{
		conn: conn, version: c.Version, silent: o.silent, got: o.got, acks: make(chan uint16, 64), subs: make(chan error, 16),
		bye: make(chan packet.ReasonCode, 1), gone: make(chan struct{}),
	}
	size := 4096
	if o.got == nil {
		size = 512
	}
	m.dec = packet.NewDecoder(bufio.NewReaderSize(conn, size), 1<<20)
	m.dec.SetVersion(c.Version)
	if err := m.send(c); err != nil {
		return nil, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	p, err := m.dec.Next()
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	_ = conn.SetReadDeadline(time.Time{})
	ack, ok := p.(*packet.Connack)
	if !ok || ack.Code != packet.Success {
		return nil, fmt.Errorf("connect: %+v", p)
	}
	m.present = ack.SessionPresent
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
	if m.buf, err = p.Append(m.buf[:0], m.version); err != nil {
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
	for {
		p, err := m.dec.Next()
		if err != nil {
			return err
		}
		m.handle(p, time.Now())
		if len(m.subs) > 0 {
			return <-m.subs
		}
	}
}

// ask sends a SUBSCRIBE or UNSUBSCRIBE while read runs, and waits for its outcome.
func (m *mqtt) ask(p packet.Packet) error {
	if err := m.send(p); err != nil {
		return err
	}
	select {
	case err := <-m.subs:
		return err
	case <-m.gone:
		return errors.New("connection ended before the answer")
	case <-time.After(60 * time.Second):
		return errors.New("no answer")
	}
}

// read handles what comes until the connection ends.
func (m *mqtt) read() {
	defer close(m.gone)
	for {
		p, err := m.dec.Next()
		if err != nil {
			return
		}
		m.handle(p, time.Now())
	}
}

func (m *mqtt) handle(p packet.Packet, at time.Time) {
	switch p := p.(type) {
	case *packet.Publish:
		switch {
		case m.silent:
		case p.QoS == 1:
			_ = m.send(&packet.Puback{PacketID: p.PacketID})
		case p.QoS == 2:
			_ = m.send(&packet.Pubrec{PacketID: p.PacketID})
		}
		if m.got != nil {
			m.got(p, at)
		}
	case *packet.Pubrel:
		_ = m.send(&packet.Pubcomp{PacketID: p.PacketID})
	case *packet.Pubrec:
		_ = m.send(&packet.Pubrel{PacketID: p.PacketID})
	case *packet.Puback:
		m.acked(p.PacketID)
	case *packet.Pubcomp:
		m.acked(p.PacketID)
	case *packet.Suback:
		m.subs <- outcome(p.Codes)
	case *packet.Unsuback:
		m.subs <- outcome(p.Codes)
	case *packet.Disconnect:
		m.bye <- p.Code
	}
}

func (m *mqtt) acked(id uint16) {
	select {
	case m.acks <- id:
	default:
	}
}

// outcome is an error if one of the codes is.
func outcome(codes []packet.ReasonCode) error {
	for _, c := range codes {
		if c.Failed() {
			return fmt.Errorf("answered %v", c)
		}
	}
	return nil
}

// publish sends a message that carries the time of its sending.
func (m *mqtt) publish(topic string, qos byte, id uint16, size int) error {
	payload := make([]byte, max(size, 8))
	binary.BigEndian.PutUint64(payload, uint64(time.Now().UnixNano()))
	if qos == 0 {
		id = 0
	}
	return m.send(&packet.Publish{Topic: topic, QoS: qos, PacketID: id, Payload: payload})
}

// published publishes and waits until the gateway has taken the message.
func (m *mqtt) published(topic string, qos byte, id uint16, retain bool) error {
	p := &packet.Publish{Topic: topic, QoS: qos, Retain: retain, Payload: make([]byte, 64)}
	if qos > 0 {
		p.PacketID = id
	}
	binary.BigEndian.PutUint64(p.Payload, uint64(time.Now().UnixNano()))
	if err := m.send(p); err != nil || qos == 0 {
		return err
	}
	select {
	case <-m.acks:
		return nil
	case <-m.gone:
		return errors.New("publish: connection ended")
	case <-time.After(20 * time.Second):
		return errors.New("publish: not acknowledged")
	}
}

// leave disconnects as the protocol has it.
func (m *mqtt) leave() {
	_ = m.send(&packet.Disconnect{})
	m.conn.Close()
}

func sentAt(payload []byte) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(payload)))
}
