package chaos

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"lmqgate/adapter/packet"
)

// visitor is one client with a session, on whichever instance takes it. It is for one goroutine.
type visitor struct {
	id       string
	at       []string
	filter   string // subscribed to whenever the session is new, "" for none
	conn     net.Conn
	dec      *packet.Decoder
	attempts int
	sessions int // CONNACKs without session present
}

// patience is how long a visitor waits for a packet before it tries another instance.
const patience = 10 * time.Second

func (v *visitor) send(p packet.Packet) error {
	b, err := p.Append(nil, packet.V5)
	if err != nil {
		return err
	}
	_ = v.conn.SetWriteDeadline(time.Now().Add(patience))
	_, err = v.conn.Write(b)
	return err
}

func (v *visitor) leave() {
	if v.conn != nil {
		_ = v.conn.Close()
		v.conn = nil
	}
}

// come connects, and subscribes if the session is new.
func (v *visitor) come() (err error) {
	v.attempts++
	if v.conn, err = net.DialTimeout("tcp", v.at[v.attempts%len(v.at)], patience); err != nil {
		v.conn = nil
		return err
	}
	defer func() {
		if err != nil {
			v.leave()
		}
	}()
	v.dec = packet.NewDecoder(v.conn, 0)
	v.dec.SetVersion(packet.V5)
	if err = v.send(&packet.Connect{ClientID: v.id, Properties: packet.ConnectProperties{SessionExpiry: 3600}}); err != nil {
		return err
	}
	p, err := v.next()
	if err != nil {
		return err
	}
	ack, ok := p.(*packet.Connack)
	if !ok || ack.Code != packet.Success {
		return fmt.Errorf("CONNECT was answered with %+v", p)
	}
	if ack.SessionPresent {
		return nil
	}
	v.sessions++
	if v.filter == "" {
		return nil
	}
	if err = v.send(&packet.Subscribe{PacketID: 9999, Filters: []packet.Subscription{{Filter: v.filter, QoS: 2}}}); err != nil {
		return err
	}
	for {
		switch p, err := v.next(); p := p.(type) {
		case *packet.Suback:
			if p.Codes[0] != packet.GrantedQoS2 {
				v.sessions--
				return fmt.Errorf("SUBSCRIBE was answered with %v", p.Codes)
			}
			return nil
		default:
			if err != nil {
				return err
			}
		}
	}
}

func (v *visitor) next() (packet.Packet, error) {
	_ = v.conn.SetReadDeadline(time.Now().Add(patience))
	return v.dec.Next()
}

// persist keeps on until do succeeds on some connection, or ctx ends.
func (v *visitor) persist(ctx context.Context, do func() error) error {
	for {
		var err error
		if v.conn == nil {
			err = v.come()
		}
		if err == nil {
			if err = do(); err == nil {
				return nil
			}
			v.leave()
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s gives up: %w", v.id, err)
		}
		rest(ctx, 100*time.Millisecond)
	}
}

// publish sends a message until it is acknowledged to the end.
func (v *visitor) publish(ctx context.Context, topic string, qos byte, id uint16, payload string) error {
	dup, received := false, false
	return v.persist(ctx, func() error {
		if !received {
			if err := v.send(&packet.Publish{Topic: topic, QoS: qos, PacketID: id, DUP: dup, Payload: []byte(payload)}); err != nil {
				return err
			}
			dup = true
		} else if err := v.send(&packet.Pubrel{PacketID: id}); err != nil {
			return err
		}
		for {
			p, err := v.next()
			if err != nil {
				return err
			}
			switch p := p.(type) {
			case *packet.Puback:
				if p.Code != packet.Success || p.PacketID != id {
					return fmt.Errorf("PUBACK %d %v", p.PacketID, p.Code)
				}
				return nil
			case *packet.Pubrec:
				if p.Code != packet.Success || p.PacketID != id {
					return fmt.Errorf("PUBREC %d %v", p.PacketID, p.Code)
				}
				received = true
				if err := v.send(&packet.Pubrel{PacketID: id}); err != nil {
					return err
				}
			case *packet.Pubcomp:
				return nil
			case *packet.Disconnect:
				return fmt.Errorf("DISCONNECT %v", p.Code)
			}
		}
	})
}

// reader is a visitor that receives, and counts what it got.
type reader struct {
	visitor
	held map[uint16]bool // QoS 2 packet ids not yet released

	mu   sync.Mutex // protects got
	got  map[string]int
	list []string
}

// read receives until ctx ends.
func (r *reader) read(ctx context.Context) {
	for ctx.Err() == nil {
		_ = r.persist(ctx, func() error {
			conn := r.conn
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			for ctx.Err() == nil {
				if err := r.one(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	r.leave()
}

func (r *reader) one() error {
	p, err := r.next()
	if err != nil {
		return err
	}
	switch p := p.(type) {
	case *packet.Publish:
		if p.QoS != 2 || !r.held[p.PacketID] {
			r.mu.Lock()
			r.got[string(p.Payload)]++
			r.list = append(r.list, string(p.Payload))
			r.mu.Unlock()
		}
		if p.QoS == 1 {
			return r.send(&packet.Puback{PacketID: p.PacketID})
		}
		r.held[p.PacketID] = true
		return r.send(&packet.Pubrec{PacketID: p.PacketID})
	case *packet.Pubrel:
		delete(r.held, p.PacketID)
		return r.send(&packet.Pubcomp{PacketID: p.PacketID})
	case *packet.Disconnect:
		return fmt.Errorf("DISCONNECT %v", p.Code)
	}
	return nil
}

func (r *reader) count(payload string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got[payload]
}
