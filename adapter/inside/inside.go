// Package inside lets this process itself be a client of the gateway: HTTP streams and pushes read through it. A reading is an
// MQTT session like any other, attached and fenced, seen by operators, under the same rules and limits; only messages come
// as they are, without a packet in between, and with the position behind them.
//
// CONNECT, SUBSCRIBE, PUBACK and DISCONNECT travel over a pipe. Messages go into a short queue, which says when it is full;
// they wait in the log then.
package inside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// Config says what a Reader works with.
type Config struct {
	// Serve handles a connection until it ends, as those of other clients are.
	Serve func(*Conn)
	// Time bounds CONNECT and SUBSCRIBE together, 0 = 15 s.
	Time time.Duration
	// Window is the most unacknowledged messages where a request names no number, 0 = 64.
	Window int
}

// Reader implements message.Reader.
type Reader struct{ cfg Config }

var _ message.Reader = (*Reader)(nil)

// New returns a Reader.
func New(cfg Config) *Reader {
	if cfg.Time <= 0 {
		cfg.Time = 15 * time.Second
	}
	if cfg.Window <= 0 {
		cfg.Window = 64
	}
	return &Reader{cfg}
}

// Open implements message.Reader.
func (r *Reader) Open(ctx context.Context, q message.ReadRequest) (message.Reading, error) {
	if err := checkRequest(&q); err != nil {
		return nil, err
	}
	var from []session.Place
	if q.From != "" {
		var err error
		if from, err = session.DecodePosition(string(q.From)); err != nil {
			return nil, message.ErrPosition
		}
	}
	if q.Window <= 0 {
		q.Window = r.cfg.Window
	}
	space, err := topic.SpaceOf(q.Identity.Tenant)
	if err != nil {
		return nil, fmt.Errorf("open reading: %w: %w", message.ErrNotAllowed, err)
	}
	own := q.Filters
	if q.Filters, err = mounted(space, own); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.Time)
	defer cancel()
	g := newReading(q, from)
	g.own, g.space = own, space
	go r.cfg.Serve(g.conn)
	if err := g.open(ctx); err != nil {
		_ = g.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("open reading: %w", errors.Join(message.ErrUnavailable, context.Cause(ctx)))
		}
		return nil, err
	}
	return g, nil
}

// checkRequest finds what no caller should ask for.
func checkRequest(q *message.ReadRequest) error {
	switch {
	case q.Name == "":
		return errors.New("open reading: no name")
	case len(q.Filters) == 0:
		return errors.New("open reading: no filter")
	case q.QoS > 1:
		return errors.New("open reading: QoS 0 and 1 only")
	case q.QoS > 0 && q.From != "":
		return errors.New("open reading: what is acknowledged has no position")
	}
	return nil
}

// mounted are the filters as they are in the space of whom the reading is for. One that is none is refused later.
func mounted(space topic.Space, own []string) ([]string, error) {
	if !space.Mounts() {
		return own, nil
	}
	list := make([]string, len(own))
	for i, filter := range own {
		in, err := space.MountFilter(filter)
		switch {
		case topic.ValidFilter(filter) != nil:
			return nil, &message.FilterError{Filter: filter, Code: byte(packet.TopicFilterInvalid), Reason: "not a topic filter"}
		case err != nil:
			return nil, &message.FilterError{Filter: filter, Code: byte(packet.NotAuthorized), Reason: err.Error()}
		}
		list[i] = in
	}
	return list, nil
}

// newReading makes both ends of the pipe.
func newReading(q message.ReadRequest, from []session.Place) *reading {
	server, own := net.Pipe()
	g := &reading{q: q, pipe: own, over: make(chan struct{}), acks: make(chan packet.Packet, 1)}
	g.conn = &Conn{Conn: server, q: q, from: from, queue: newQueue()}
	return g
}
