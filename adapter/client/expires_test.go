package client

import (
	"context"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
)

// tickets lets everybody in for ten seconds; so does each AUTH of method TICKET.
type tickets struct{}

func ticket(l *access.Login) access.Identity {
	return access.Identity{Username: "ann", Method: "ticket", Expires: time.Now().Add(10 * time.Second)}
}

func (tickets) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	return ticket(l), nil
}

func (tickets) Methods() []string { return []string{"TICKET"} }

func (tickets) Begin(l *access.Login, method string) (access.Exchange, error) {
	if method != "TICKET" {
		return nil, access.ErrIgnore
	}
	return tickets{}, nil
}

func (tickets) Next(_ context.Context, data []byte) ([]byte, *access.Identity, error) {
	id := ticket(nil)
	if string(data) == "forged" {
		return nil, nil, access.ErrDenied
	}
	return nil, &id, nil
}

// TestCredentialsExpire: when the credentials end so does the connection, with the reason, unless they were renewed before.
func TestCredentialsExpire(t *testing.T) {
	deps := func(d *Deps) { d.Verifier, d.Enhanced = tickets{}, tickets{} }
	ended := func(t *testing.T, p *peer, start time.Time, after time.Duration) {
		t.Helper()
		<-p.served
		if took := time.Since(start); took < after || took > after+2*time.Second {
			t.Errorf("ended after %v, want %v", took, after)
		}
	}
	t.Run("5.0", func(t *testing.T) {
		runWith(t, Config{}, deps, func(t *testing.T, r *rig) {
			start := time.Now()
			p := r.dial(v5, false, nil).send(connect(v5, "c"))
			p.want("CONNACK 00")
			ended(t, p, start, 10*time.Second)
			p.want("DISCONNECT 87, closed 87")
		})
	})
	t.Run("3.1.1", func(t *testing.T) {
		runWith(t, Config{}, deps, func(t *testing.T, r *rig) {
			start := time.Now()
			p := r.dial(packet.V311, false, nil).send(connect(packet.V311, "c"))
			ended(t, p, start, 10*time.Second)
		})
	})
	t.Run("renewed", func(t *testing.T) {
		runWith(t, Config{}, deps, func(t *testing.T, r *rig) {
			start := time.Now()
			p := r.dial(v5, false, nil).send(connect(v5, "c", by("TICKET", "x")))
			for range 3 {
				time.Sleep(8 * time.Second)
				p.send(&packet.Auth{Code: packet.ReAuthenticate, Method: "TICKET", Data: []byte("y")})
			}
			ended(t, p, start, 34*time.Second)
		})
	})
	t.Run("not renewed", func(t *testing.T) {
		runWith(t, Config{}, deps, func(t *testing.T, r *rig) {
			start := time.Now()
			p := r.dial(v5, false, nil).send(connect(v5, "c", by("TICKET", "x")))
			time.Sleep(5 * time.Second)
			p.send(&packet.Auth{Code: packet.ReAuthenticate, Method: "TICKET", Data: []byte("forged")})
			ended(t, p, start, 5*time.Second)
		})
	})
}

// TestExpiresFarAway: credentials that end later than time.Duration can say, as a certificate of the year 9999, are good.
func TestExpiresFarAway(t *testing.T) {
	runWith(t, Config{}, func(d *Deps) { d.Verifier = forever{} }, func(t *testing.T, r *rig) {
		time.Sleep(time.Second) // the server's clock has begun
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		time.Sleep(10 * time.Second)
		p.send(&packet.Pingreq{})
		p.want("CONNACK 00, PINGRESP")
	})
}

type forever struct{}

func (forever) Verify(context.Context, *access.Login) (access.Identity, error) {
	return access.Identity{Username: "ann", Method: "mtls", Expires: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)}, nil
}
