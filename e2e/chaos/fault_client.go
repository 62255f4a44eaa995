package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/parts"
)

func clientFaults() []Fault {
	return []Fault{
		{Name: "client flaps", Needs: Needs{Instances: 2}, Run: flap},
		{Name: "half-open connection", Needs: Needs{Instances: 2}, Run: halfOpen},
	}
}

// flap has two connections take one client id from each other in a tight loop, on different instances.
func flap(ctx context.Context, w *World, r *rand.Rand) error {
	id := fmt.Sprintf("flapping-%d", r.Uint32())
	w.event("flap", "client %s", id)
	for n := range 8 {
		if ctx.Err() != nil {
			break
		}
		conn, code, err := hello(w.Instances[n%len(w.Instances)].TCP, id)
		if err != nil {
			return fmt.Errorf("flap: %w", err)
		}
		defer conn.Close()
		switch code { // damped: later ones may be refused, none may hang
		case packet.Success, packet.ConnectionRateExceeded, packet.ServerUnavailable, packet.UseAnotherServer, packet.SessionTakenOver:
		default:
			return fmt.Errorf("flap: CONNECT %d was answered with %v", n+1, code)
		}
	}
	return w.mended(ctx)
}

// halfOpen leaves a connection whose network has gone, and connects the same client elsewhere.
func halfOpen(ctx context.Context, w *World, r *rand.Rand) error {
	n := r.IntN(len(w.Instances))
	p := parts.Proxy(w.t, w.Instances[n].TCP)
	id := fmt.Sprintf("half-open-%d", r.Uint32())
	old, code, err := hello(p.Addr, id)
	if err != nil || code != packet.Success {
		return fmt.Errorf("connect %s: %v %w", id, code, err)
	}
	defer old.Close()
	w.event("half-open", "client %s at instance %d", id, n+1)
	p.Cut()
	defer p.Mend()
	next, code, err := hello(w.Instances[(n+1)%len(w.Instances)].TCP, id)
	if err != nil {
		return fmt.Errorf("connect %s again: %w", id, err)
	}
	defer next.Close()
	if code != packet.Success {
		return fmt.Errorf("connect %s again: %v", id, code)
	}
	return w.mended(ctx)
}

// hello connects a client with a session and returns what CONNACK says.
func hello(addr, id string) (net.Conn, packet.ReasonCode, error) {
	conn, err := net.DialTimeout("tcp", addr, mendLimit)
	if err != nil {
		return nil, 0, err
	}
	c := packet.Connect{ClientID: id, Properties: packet.ConnectProperties{SessionExpiry: 60}}
	b, err := c.Append(nil, packet.V5)
	if err == nil {
		_ = conn.SetDeadline(time.Now().Add(mendLimit))
		_, err = conn.Write(b)
	}
	var p packet.Packet
	if err == nil {
		d := packet.NewDecoder(conn, 0)
		d.SetVersion(packet.V5)
		p, err = d.Next()
	}
	ack, ok := p.(*packet.Connack)
	if err == nil && !ok {
		err = fmt.Errorf("CONNECT was answered with %v", p.Type())
	}
	if err != nil {
		_ = conn.Close()
		return nil, 0, err
	}
	return conn, ack.Code, nil
}
