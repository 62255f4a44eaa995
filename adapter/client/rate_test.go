package client

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
)

// verified says that everybody is who they say.
type verified struct{}

func (verified) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	return access.Identity{Username: l.Username, Method: "hmac"}, nil
}

func named(name string) func(*packet.Connect) {
	return func(c *packet.Connect) { c.HasUsername, c.Username = true, name }
}

// after waits, in the bubble's time, and returns how many messages have been stored.
func after(r *rig, d time.Duration) int {
	time.Sleep(d)
	synctest.Wait()
	return len(r.log.stored())
}

func sendMany(p *peer, n, bytes int) {
	for range n {
		p.send(pub(0, 0, "t", string(make([]byte, bytes))))
	}
}

// TestPublishRate: beyond a rate a client is not read until its turn, and nothing is lost.
func TestPublishRate(t *testing.T) {
	for name, c := range map[string]struct {
		cfg        Config
		one, other string // user names
		shared     bool   // the rate is of both clients together
	}{
		"client":         {Config{ClientRate: Rate{Messages: 10}}, "ann", "ann", false},
		"client, bytes":  {Config{ClientRate: Rate{Bytes: 1000}}, "ann", "ann", false},
		"user":           {Config{UserRate: Rate{Messages: 10}}, "ann", "ann", true},
		"another user":   {Config{UserRate: Rate{Messages: 10}}, "ann", "bob", false},
		"instance":       {Config{Rate: Rate{Messages: 10}}, "ann", "bob", true},
		"instance waits": {Config{Rate: Rate{Bytes: 1000}, DisconnectFast: true}, "ann", "bob", true},
	} {
		t.Run(name, func(t *testing.T) {
			runWith(t, c.cfg, func(d *Deps) { d.Verifier = verified{} }, func(t *testing.T, r *rig) {
				for id, user := range map[string]string{"1": c.one, "2": c.other} {
					p := r.dial(v5, false, nil).send(connect(v5, id, named(user)))
					p.want("CONNACK 00")
					sendMany(p, 30, 100)
				}
				both := 2
				if c.shared {
					both = 1
				}
				if n := after(r, 50*time.Millisecond); n != 10*both {
					t.Errorf("%d at once", n)
				}
				if n := after(r, time.Second); n < 20*both || n > 20*both+1 {
					t.Errorf("%d after a second", n)
				}
				if n := after(r, 5*time.Second); n != 60 {
					t.Errorf("%d in the end", n)
				}
			})
		})
	}
}

// TestTooFast: with DisconnectFast a client beyond its rate is disconnected, and one that keeps to it is not.
func TestTooFast(t *testing.T) {
	runWith(t, Config{ClientRate: Rate{Messages: 10}, DisconnectFast: true}, nothing, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		for range 3 {
			sendMany(p, 10, 1)
			time.Sleep(time.Second)
		}
		p.want("CONNACK 00")
		sendMany(p, 11, 1)
		p.want("DISCONNECT 96, closed 96")
		old := r.dial(packet.V311, false, nil).send(connect(packet.V311, "old"))
		sendMany(old, 11, 1)
		old.want("CONNACK 00, closed 96")
	})
}

func nothing(*Deps) {}

// TestWaitingForATurnEnds: who waits for its turn goes at once when the connection is closed.
func TestWaitingForATurnEnds(t *testing.T) {
	runWith(t, Config{ClientRate: Rate{Bytes: 1}}, nothing, func(t *testing.T, r *rig) {
		p := r.dial(v5, false, nil).send(connect(v5, "c"))
		sendMany(p, 1, 10000)
		p.want("CONNACK 00")
		for _, c := range r.srv.all() {
			c.Close(packet.AdministrativeAction)
		}
		p.want("DISCONNECT 98, closed 98")
	})
}

// TestUserConnects: a user that connects too often is refused for a moment; others, and anonymous ones, are not.
func TestUserConnects(t *testing.T) {
	runWith(t, Config{UserConnects: 2}, func(d *Deps) { d.Verifier = verified{} }, func(t *testing.T, r *rig) {
		try := func(user, want string) {
			t.Helper()
			p := r.dial(v5, false, nil).send(connect(v5, "c"+user, named(user)))
			got := p.take()
			p.send(&packet.Disconnect{})
			if synctest.Wait(); got != want {
				t.Errorf("%s: %s", user, got)
			}
		}
		const in, out = "CONNACK 00", "CONNACK 9f, closed 9f"
		try("ann", in)
		try("ann", in)
		try("ann", out)
		try("bob", in)
		time.Sleep(500 * time.Millisecond)
		try("ann", in)
		try("ann", out)
		for range 3 {
			try("", in)
		}
		time.Sleep(5 * time.Second)
		r.srv.accounts.sweep(r.srv.now())
		if n := len(r.srv.accounts.byName) + len(r.srv.accounts.leaving); n != 0 {
			t.Errorf("%d accounts are left", n)
		}
	})
}

// TestMayPublish: who publishes without a connection has the rates of clients, users and instance, together with clients.
func TestMayPublish(t *testing.T) {
	ann, bob := access.Identity{Username: "ann", Method: "jwt"}, access.Identity{Username: "bob", Method: "jwt"}
	nobody := access.Identity{Username: "ann", Method: access.MethodAnonymous}
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	// passes counts how many get through at once.
	passes := func(s *Server, id access.Identity, from netip.Addr, payload int) (n int) {
		for n < 1000 && s.MayPublish(id, from, payload) == 0 {
			n++
		}
		return n
	}
	about := func(t *testing.T, what string, got, want int) {
		t.Helper()
		if got < want || got > want+1 {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	run(t, Config{ClientRate: Rate{Messages: 10}, UserRate: Rate{Messages: 25}, Rate: Rate{Messages: 70}}, func(t *testing.T, r *rig) {
		about(t, "ann here", passes(r.srv, ann, here, 1), 10)
		about(t, "ann there", passes(r.srv, ann, there, 1), 10)
		about(t, "ann elsewhere", passes(r.srv, ann, netip.MustParseAddr("192.0.2.3"), 1), 3)
		about(t, "bob here", passes(r.srv, bob, here, 1), 10)
		about(t, "nobody here", passes(r.srv, nobody, here, 1), 10)
		about(t, "nobody there", passes(r.srv, nobody, there, 1), 10)
		if wait := r.srv.MayPublish(nobody, there, 1); wait <= 0 || wait > time.Second {
			t.Errorf("is to wait for %v", wait)
		}
		time.Sleep(time.Minute)
		about(t, "nobody there, later", passes(r.srv, nobody, there, 1), 10)
		time.Sleep(time.Minute)
		r.srv.accounts.sweep(r.srv.now())
		if n := len(r.srv.accounts.byName); n != 0 {
			t.Errorf("%d accounts are remembered", n)
		}
	})
	run(t, Config{UserRate: Rate{Bytes: 1000}}, func(t *testing.T, r *rig) {
		about(t, "large ones", passes(r.srv, ann, here, 5000), 1) // it may be larger than the rate, but has to be paid for
		time.Sleep(3900 * time.Millisecond)
		if r.srv.MayPublish(ann, here, 1) <= 0 {
			t.Error("not paid for yet")
		}
		time.Sleep(200 * time.Millisecond)
		about(t, "later", passes(r.srv, ann, here, 1000), 1)
		about(t, "of nobody", passes(r.srv, nobody, here, 1000), 1000)
	})
	run(t, Config{}, func(t *testing.T, r *rig) {
		about(t, "no rates", passes(r.srv, ann, here, 1<<20), 1000)
	})
}
