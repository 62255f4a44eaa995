package inside

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"sync"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// reading is the reader's end.
type reading struct {
	q     message.ReadRequest // with mounted filters
	own   []string            // the filters as they were asked for
	space topic.Space         // of whom it is for
	conn  *Conn
	pipe  net.Conn

	acks chan packet.Packet // CONNACK, SUBACK, UNSUBACK
	over chan struct{}      // closed when the server's end is

	writing sync.Mutex // orders packets
	mu      sync.Mutex // protects why and closed
	why     error      // set before over is closed
	closed  bool
}

var _ message.Reading = (*reading)(nil)

// open connects and subscribes.
func (g *reading) open(ctx context.Context) error {
	go g.listen()
	connect := &packet.Connect{Version: packet.V5, ClientID: g.q.Name, CleanStart: g.q.Clean}
	connect.Properties.ReceiveMaximum = uint16(min(g.q.Window, math.MaxUint16))
	connect.Properties.SessionExpiry = seconds(g.q.Expiry)
	reply, err := g.ask(ctx, connect)
	if err != nil {
		return err
	}
	connack, ok := reply.(*packet.Connack)
	switch {
	case !ok:
		return fmt.Errorf("open reading: %v in the place of CONNACK: %w", reply.Type(), message.ErrUnavailable)
	case connack.Code.Failed():
		return refusal(connack.Code, connack.Properties.Reason)
	}
	return g.subscribe(ctx)
}

func seconds(d time.Duration) uint32 {
	if d >= session.Never {
		return math.MaxUint32
	}
	return uint32(max(d, 0).Round(time.Second) / time.Second)
}

// subscribe asks for all filters, and for none beside them.
func (g *reading) subscribe(ctx context.Context) error {
	if len(g.conn.others) > 0 {
		if _, err := g.ask(ctx, &packet.Unsubscribe{PacketID: 2, Filters: g.conn.others}); err != nil {
			return err
		}
	}
	p := &packet.Subscribe{PacketID: 1}
	handling := byte(2) // no retained messages
	if g.q.Retain {
		handling = 1 // with a new subscription
	}
	for _, filter := range g.q.Filters {
		p.Filters = append(p.Filters, packet.Subscription{Filter: filter, QoS: g.q.QoS, RetainHandling: handling})
	}
	reply, err := g.ask(ctx, p)
	if err != nil {
		return err
	}
	suback, ok := reply.(*packet.Suback)
	if !ok || len(suback.Codes) != len(p.Filters) {
		return fmt.Errorf("open reading: %v in the place of SUBACK: %w", reply.Type(), message.ErrUnavailable)
	}
	for i, code := range suback.Codes {
		switch {
		case code == packet.UnspecifiedError:
			return fmt.Errorf("open reading: subscribe: %w", message.ErrUnavailable)
		case code.Failed():
			return &message.FilterError{Filter: g.own[i], Code: byte(code), Reason: reasonOf(code, suback.Reason)}
		}
	}
	return nil
}

func reasonOf(code packet.ReasonCode, words string) string {
	if words == "" {
		return code.String()
	}
	return words
}

// ask sends a packet and waits for the answer.
func (g *reading) ask(ctx context.Context, p packet.Packet) (packet.Packet, error) {
	stop := context.AfterFunc(ctx, func() { _ = g.pipe.Close() })
	defer stop()
	if err := g.write(p); err != nil {
		return nil, g.broken(err)
	}
	select {
	case reply := <-g.acks:
		return reply, nil
	case <-g.over:
		select {
		case reply := <-g.acks: // a CONNACK that refuses is the last packet
			return reply, nil
		default:
			return nil, g.err()
		}
	}
}

func (g *reading) write(p packet.Packet) error {
	b, err := packet.AppendWithin(nil, p, packet.V5, 0)
	if err != nil {
		return fmt.Errorf("encode %v: %w", p.Type(), err)
	}
	g.writing.Lock()
	defer g.writing.Unlock()
	_, err = g.pipe.Write(b)
	return err
}

// listen reads what the server says until it has nothing more to say.
func (g *reading) listen() {
	defer close(g.over)
	dec := packet.NewDecoderSize(g.pipe, 1<<20, 512)
	dec.SetVersion(packet.V5)
	for {
		p, err := dec.Next()
		if err != nil {
			g.end(message.ErrGoing)
			return
		}
		switch p := p.(type) {
		case *packet.Disconnect:
			g.end(ending(p.Code, p.Reason))
		case *packet.Connack, *packet.Suback, *packet.Unsuback:
			select {
			case g.acks <- p:
			default: // nobody asked
			}
		}
	}
}

// ending is why the server ended the reading.
func ending(code packet.ReasonCode, words string) error {
	switch code {
	case packet.SessionTakenOver, packet.AdministrativeAction:
		return message.ErrTakenOver
	case packet.NotAuthorized, packet.Banned, packet.BadUserNameOrPassword:
		return message.ErrNotAllowed
	case packet.ServerShuttingDown, packet.UseAnotherServer, packet.ServerMoved, packet.ServerBusy, packet.MaximumConnectTime:
		return message.ErrGoing
	}
	return fmt.Errorf("%s: %w", reasonOf(code, words), message.ErrUnavailable)
}

// refusal is why the server did not let the reading begin.
func refusal(code packet.ReasonCode, words string) error {
	switch code {
	case packet.NotAuthorized, packet.Banned, packet.BadUserNameOrPassword, packet.ClientIdentifierNotValid:
		return fmt.Errorf("open reading: %s: %w", reasonOf(code, words), message.ErrNotAllowed)
	case packet.UseAnotherServer, packet.ServerMoved:
		return fmt.Errorf("open reading: %s: %w", reasonOf(code, words), message.ErrGoing)
	}
	return fmt.Errorf("open reading: %s: %w", reasonOf(code, words), message.ErrUnavailable)
}

func (g *reading) end(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.why == nil {
		g.why = err
	}
}

func (g *reading) err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why
}

func (g *reading) broken(err error) error {
	if why := g.err(); why != nil {
		return why
	}
	return errors.Join(message.ErrGoing, err)
}

// Next implements message.Reading. What was delivered before the end is handed out first, unless it would not be believed:
// somebody else reads it then.
func (g *reading) Next(ctx context.Context) (message.Arrival, error) {
	for {
		if errors.Is(g.err(), message.ErrTakenOver) || errors.Is(g.err(), message.ErrNotAllowed) {
			return message.Arrival{}, g.err()
		}
		over := g.isOver()
		a, ok := g.conn.queue.get()
		switch {
		case ok && g.asked(a.Message.Topic) && g.unmount(&a):
			return a, nil
		case ok:
			g.Ack(a.ID)
			continue
		case over:
			return message.Arrival{}, g.err()
		}
		select {
		case <-g.conn.queue.came:
		case <-g.over:
		case <-ctx.Done():
			return message.Arrival{}, ctx.Err()
		}
	}
}

// unmount shows a message as its reader knows it; false: it is none of its.
func (g *reading) unmount(a *message.Arrival) bool {
	if !g.space.Mounts() {
		return true
	}
	name, ok := g.space.Unmount(a.Message.Topic)
	if ok {
		a.Message = a.Message.In(g.space, name)
	}
	return ok
}

func (g *reading) isOver() bool {
	select {
	case <-g.over:
		return true
	default:
		return false
	}
}

// asked reports whether a message is one that was asked for: of a filter of earlier days, which has just been given up, some may
// come still.
func (g *reading) asked(name string) bool {
	return len(g.conn.others) == 0 || slices.ContainsFunc(g.q.Filters, func(filter string) bool {
		if _, inner, shared, err := topic.ParseShared(filter); err == nil && shared {
			filter = inner
		}
		return topic.Match(filter, name)
	})
}

// Ack implements message.Reading.
func (g *reading) Ack(id uint16) {
	if id != 0 {
		_ = g.write(&packet.Puback{PacketID: id}) // one that is lost is repeated
	}
}

// Resumed implements message.Reading.
func (g *reading) Resumed() bool { return g.conn.resumed }

// Position implements message.Reading.
func (g *reading) Position() message.Position {
	switch {
	case g.q.QoS > 0:
		return ""
	case g.q.From != "":
		return g.q.From
	}
	return g.conn.begin
}

// Close implements message.Reading. The server closes its end when the session is released.
func (g *reading) Close() error {
	g.mu.Lock()
	again := g.closed
	g.closed = true
	g.mu.Unlock()
	if again {
		<-g.over
		return nil
	}
	stop := time.AfterFunc(closeTime, func() { _ = g.pipe.Close() })
	defer stop.Stop()
	if err := g.write(&packet.Disconnect{}); err != nil {
		_ = g.pipe.Close()
	}
	<-g.over
	_ = g.pipe.Close()
	return nil
}

// closeTime bounds how long a session takes to be released.
const closeTime = 10 * time.Second
