package client

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// mostBehalf bounds what is done on behalf of operators at the same time; what is more is not answered and comes again.
const mostBehalf = 16

// behalf is what concerns subscriptions that operators make and end for a client while it is connected.
type behalf struct {
	stop atomic.Pointer[context.CancelFunc] // of what is under way

	mu    sync.Mutex // held while the subscriptions are being changed, by whomever; protects client.filters, about.login after CONNECT and the fields below
	over  bool       // the connection has ended
	given *grants    // nil: operators did nothing
}

// grants are what operators did. Protected by behalf.mu.
type grants struct {
	filters filterSet // those that an operator gave
	asked   string    // the last question
	code    packet.ReasonCode
}

// onBehalf handles a question of an operator without blocking. An answer that is lost is asked for again.
func (s *Server) onBehalf(w session.Word) {
	if s.deps.Words == nil || w.Reply == "" {
		return
	}
	select {
	case s.behalves <- struct{}{}:
	default:
		return
	}
	go func() {
		defer func() { <-s.behalves }()
		answer := session.Word{Kind: session.WordAnswer, ClientID: w.ClientID}
		if c := s.settled(w.ClientID); c != nil {
			answer.Code, answer.Absent = c.carryOut(w)
		} else {
			answer.Absent = true
		}
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Redis)
		defer cancel()
		if err := s.deps.Words.Tell(ctx, w.Reply, answer); err != nil {
			s.cfg.Logger.Info("answering an operator failed", "client_id", w.ClientID, "error", err)
		}
	}()
}

// settled is the client that holds an id on this instance and is served, nil if there is none.
func (s *Server) settled(clientID string) *client {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.clients[clientID]; c != nil && c.attached.Load() {
		return c
	}
	return nil
}

// carryOut does what an operator asks for, once.
func (c *client) carryOut(w session.Word) (code byte, absent bool) {
	if c.inside != nil { // what it reads is said elsewhere
		return byte(packet.NotAuthorized), false
	}
	b := &c.behalf
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.given != nil && b.given.asked == w.Reply {
		return byte(b.given.code), false
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	b.stop.Store(&cancel)
	defer b.stop.Store(nil)
	if b.over || c.ending.begun() || c.given() {
		return 0, true
	}
	if b.given == nil {
		b.given = &grants{}
	}
	done := c.ungrant
	if w.Kind == session.WordSubscribe {
		done = c.grant
	}
	b.given.code, b.given.asked = done(ctx, w.Subscription), w.Reply
	c.log(slog.LevelInfo, "an operator changed subscriptions", "what", w.Kind, "filter", w.Subscription.Filter, "code", b.given.code.String())
	return byte(b.given.code), false
}

// grant subscribes the client to what its own rules need not allow. Called under behalf.mu.
func (c *client) grant(ctx context.Context, sub session.Subscription) packet.ReasonCode {
	_, inner, shared, err := topic.ParseShared(sub.Filter)
	switch {
	case err != nil || topic.ValidFilter(sub.Filter) != nil || topic.Levels(inner) > maxLevels || sub.QoS > 2 || sub.RetainHandling > 2:
		return packet.TopicFilterInvalid
	case !c.within(sub.Filter): // whoever asks: a tenant's client has what is its tenant's
		return packet.NotAuthorized
	case c.srv.cfg.P2P && !private(inner, shared, c.id):
		return packet.NotAuthorized
	case !c.filters.has(sub.Filter) && len(c.filters) >= c.srv.cfg.MaxSubscriptions:
		return packet.QuotaExceeded
	}
	sub.Granted = true
	code := c.delivery.Subscribe(ctx, []session.Subscription{sub})[0]
	if code.Failed() {
		return code
	}
	c.filters.add(sub.Filter)
	c.behalf.given.filters.add(sub.Filter)
	c.subscribed([]string{sub.Filter})
	c.delivery.Retained()
	return code
}

// ungrant ends a subscription, whoever made it. Called under behalf.mu.
func (c *client) ungrant(ctx context.Context, sub session.Subscription) packet.ReasonCode {
	code := c.delivery.Unsubscribe(ctx, []string{sub.Filter})[0]
	if code.Failed() {
		return code
	}
	if c.filters.has(sub.Filter) {
		c.unsubscribed([]string{sub.Filter})
	}
	c.drop(sub.Filter)
	return code
}

// drop forgets a filter that was unsubscribed. Called under behalf.mu.
func (c *client) drop(filter string) {
	c.filters.remove(filter)
	if c.behalf.given != nil {
		c.behalf.given.filters.remove(filter)
	}
}

// halt ends what is under way.
func (b *behalf) halt() {
	if stop := b.stop.Load(); stop != nil {
		(*stop)()
	}
}

// end keeps everything else away, and returns when nothing is under way.
func (b *behalf) end() {
	b.halt()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// givenIn is what operators did to a session that is resumed.
func givenIn(subs []session.Subscription) (g *grants) {
	for _, sub := range subs {
		if !sub.Granted {
			continue
		}
		if g == nil {
			g = &grants{}
		}
		g.filters.add(sub.Filter)
	}
	return g
}

// has reports whether an operator gave a filter.
func (g *grants) has(filter string) bool { return g != nil && g.filters.has(filter) }
