package gateway

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/infra/config"
	"lmqgate/meta/access"
	"lmqgate/meta/message"
)

// readingOf opens a reading that ends with the test.
func readingOf(t *testing.T, g *Gateway, q message.ReadRequest) message.Reading {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := g.reader.Open(ctx, q)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// reads checks that these payloads come next; it returns the last of them.
func reads(t *testing.T, r message.Reading, payloads ...string) (last message.Arrival) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, want := range payloads {
		a, err := r.Next(ctx)
		if err != nil {
			t.Fatalf("waiting for %q: %v", want, err)
		}
		if got := string(a.Message.Payload); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		last = a
	}
	return last
}

// publisher publishes with QoS 1.
func (c *peer) says(name string, payloads ...string) {
	c.t.Helper()
	for _, p := range payloads {
		c.send(&packet.Publish{Topic: name, Payload: []byte(p), QoS: 1, PacketID: 7})
		if ack, ok := c.next().(*packet.Puback); !ok || ack.Code.Failed() {
			c.t.Fatalf("%s: %+v", p, ack)
		}
	}
}

// TestReadingResumes: a stream goes on behind the position that its reader shows, on another instance too, with nothing missing
// and nothing twice, also of overlapping filters; between two readings the session holds the filters.
func TestReadingResumes(t *testing.T) {
	onServers(t, func(t *testing.T, cfg config.Config) {
		one, two := start(t, cfg), start(t, cfg)
		p, _ := dial(t, one, connect("publisher", 0))
		q := message.ReadRequest{Name: "$http/x", Filters: []string{"reading/#", "reading/+", "other"}, Expiry: time.Minute}
		r := readingOf(t, one, q)
		if r.Resumed() {
			t.Error("a new reading resumes nothing")
		}
		begin := r.Position()
		p.says("reading/a", "1", "2")
		at := reads(t, r, "1")
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		q.From = begin
		if r = readingOf(t, two, q); !r.Resumed() {
			t.Error("not resumed where it began")
		}
		at = reads(t, r, "1")
		if at.Position == "" || at.ID != 0 || at.Message.Key == "" || at.Message.Topic != "reading/a" || at.QoS != 0 {
			t.Errorf("%+v", at)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		p.says("reading/a", "4")
		p.says("other", "3")
		for _, g := range []*Gateway{two, one} {
			q.From = at.Position
			r = readingOf(t, g, q)
			if !r.Resumed() {
				t.Error("not resumed")
			}
			got := map[string]int{}
			for range 3 {
				a, err := r.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got[string(a.Message.Payload)]++
				last := a.Position
				if last == "" {
					t.Errorf("%s has no position", a.Message.Payload)
				}
				q.From = last
			}
			if fmt.Sprint(got) != "map[2:1 3:1 4:1]" {
				t.Errorf("got %v", got)
			}
		}
		// The same name elsewhere: the older reading ends.
		again := readingOf(t, two, q)
		if _, err := r.Next(t.Context()); !errors.Is(err, message.ErrTakenOver) {
			t.Errorf("the older reading ends with %v", err)
		}
		p.says("reading/b", "5")
		at = reads(t, again, "5")
		_ = again.Close()
		// A session that has ended: positions count, what nobody held is missing, and that is said.
		q.From, q.Clean = at.Position, true
		late := readingOf(t, one, q)
		if late.Resumed() {
			t.Error("a session that has ended is said to be resumed")
		}
		p.says("reading/b", "6")
		reads(t, late, "6")
	})
}

// TestReadingAcknowledges: with QoS 1 the session remembers what was acknowledged; the rest comes again, and filters that
// nobody asks for any more are given up.
func TestReadingAcknowledges(t *testing.T) {
	onServers(t, func(t *testing.T, cfg config.Config) {
		g := start(t, cfg)
		p, _ := dial(t, g, connect("publisher", 0))
		q := message.ReadRequest{Name: "$push/x", Filters: []string{"push/#", "old"}, QoS: 1, Expiry: time.Hour}
		r := readingOf(t, g, q)
		p.says("push/a", "1", "2")
		p.says("old", "o1", "o2")
		kept := ""
		for range 4 {
			a, err := r.Next(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if a.ID == 0 || a.Position != "" || a.Again {
				t.Errorf("%+v", a)
			}
			if a.Message.Topic == "push/a" && kept != "" {
				r.Ack(a.ID)
			} else if a.Message.Topic == "push/a" {
				kept = string(a.Message.Payload)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		q.Filters = []string{"push/#"}
		r = readingOf(t, g, q)
		p.says("old", "o3")
		p.says("push/b", "3")
		if a := reads(t, r, kept); !a.Again {
			t.Error("not said to come again")
		} else {
			r.Ack(a.ID)
		}
		r.Ack(reads(t, r, "3").ID)
	})
}

// TestReadingRefused: what MQTT clients may not, readings may not; and clients cannot pose as one.
func TestReadingRefused(t *testing.T) {
	noLeaks(t)
	g := start(t, load(t))
	for _, filter := range []string{"a/#/b", "$share/g/#/x", ""} {
		_, err := g.reader.Open(t.Context(), message.ReadRequest{Name: "$http/x", Filters: []string{"fine", filter}})
		if refused := (*message.FilterError)(nil); !errors.As(err, &refused) && filter != "" || err == nil {
			t.Errorf("%q: %v", filter, err)
		}
	}
	for what, q := range map[string]message.ReadRequest{
		"no name": {Filters: []string{"a"}}, "no filter": {Name: "$http/x"}, "QoS 2": {Name: "$http/x", Filters: []string{"a"}, QoS: 2},
		"position": {Name: "$http/x", Filters: []string{"a"}, From: "nonsense"}, "both": {Name: "$http/x", Filters: []string{"a"}, From: "AQ", QoS: 1},
	} {
		if _, err := g.reader.Open(t.Context(), q); err == nil {
			t.Errorf("%s is accepted", what)
		}
	}
	if _, ack := dial(t, g, connect("$http/x", 0)); ack.Code != packet.ClientIdentifierNotValid {
		t.Errorf("a client that poses as a reading: %v", ack.Code)
	}
	r := readingOf(t, g, message.ReadRequest{Name: "$http/x", Filters: []string{"a"}, Identity: access.Identity{Username: "ann"}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := g.reader.Open(ctx, message.ReadRequest{Name: "$http/y", Filters: []string{"a"}}); !errors.Is(err, message.ErrUnavailable) {
		t.Errorf("with a context that has ended: %v", err)
	}
	stop(t, g)
	if _, err := r.Next(t.Context()); !errors.Is(err, message.ErrGoing) {
		t.Errorf("after the end of the instance: %v", err)
	}
}

// TestReadingWaits: a reader that does not read costs a bounded number of messages, and misses none.
func TestReadingWaits(t *testing.T) {
	noLeaks(t)
	g := start(t, load(t))
	p, _ := dial(t, g, connect("publisher", 0))
	r := readingOf(t, g, message.ReadRequest{Name: "$http/x", Filters: []string{"many/#"}})
	const many = 1000
	for n := range many {
		p.send(&packet.Publish{Topic: fmt.Sprint("many/", n%50), Payload: fmt.Append(nil, n), QoS: 1, PacketID: uint16(n + 1)})
		if n%50 == 49 {
			for range 50 {
				if ack, ok := p.next().(*packet.Puback); !ok || ack.Code.Failed() {
					t.Fatalf("%+v", ack)
				}
			}
		}
	}
	got := map[string]bool{}
	for len(got) < many {
		a, err := r.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got[string(a.Message.Payload)] {
			t.Fatalf("%s came twice", a.Message.Payload)
		}
		got[string(a.Message.Payload)] = true
	}
}
