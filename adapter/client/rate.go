package client

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
)

// Rate is what may be published in a second, and at once after a quiet second; 0 is any number.
type Rate struct {
	Messages int
	Bytes    int // of payload
}

func (r Rate) none() bool { return r == Rate{} }

// rateBurst is how far one may be ahead of a rate, ns.
const rateBurst = int64(time.Second)

// bucket is a token bucket: when all that was taken is paid for, ns since Server.start. Safe for concurrent use.
type bucket struct{ paid atomic.Int64 }

// take takes what costs so many ns and returns how long to wait before going on. It is taken in any case, so that one
// that costs more than the bucket holds passes too, and those who wait for one bucket have their turns one after the other.
func (b *bucket) take(now, cost int64) (wait int64) {
	if cost == 0 {
		return 0
	}
	for {
		old := b.paid.Load()
		paid := max(old, now) + cost
		if b.paid.CompareAndSwap(old, paid) {
			return max(paid-now-rateBurst, 0)
		}
	}
}

// try takes it if there is no need to wait.
func (b *bucket) try(now, cost int64) bool {
	for {
		old := b.paid.Load()
		paid := max(old, now) + cost
		if cost > 0 && paid-now > rateBurst {
			return false
		}
		if b.paid.CompareAndSwap(old, paid) {
			return true
		}
	}
}

// admit takes it unless so much was taken before that there is a wait, and returns that.
func (b *bucket) admit(now, cost int64) (wait int64) {
	for {
		old := b.paid.Load()
		if wait := old - now - rateBurst; cost > 0 && wait > 0 {
			return wait
		}
		if cost == 0 || b.paid.CompareAndSwap(old, max(old, now)+cost) {
			return 0
		}
	}
}

func (b *bucket) full(now int64) bool { return b.paid.Load() <= now }

// meter holds publications against a Rate.
type meter struct{ messages, bytes bucket }

func (m *meter) take(r Rate, now int64, payload int) (wait int64) {
	return max(m.messages.take(now, costOf(1, r.Messages)), m.bytes.take(now, costOf(payload, r.Bytes)))
}

// admit takes a publication unless there is a wait, and returns that.
func (m *meter) admit(r Rate, now int64, payload int) (wait int64) {
	if wait = m.messages.admit(now, costOf(1, r.Messages)); wait == 0 {
		wait = m.bytes.admit(now, costOf(payload, r.Bytes))
	}
	return wait
}

// costOf is how long n take at a rate a second, ns; 0 for no rate.
func costOf(n, rate int) int64 {
	if rate <= 0 {
		return 0
	}
	return int64(n) * int64(time.Second) / int64(rate)
}

// account is what the clients of one verified user have in common.
type account struct {
	name     string
	publish  meter
	connects bucket
	clients  int // protected by accounts.mu
}

// accounts are those of users with clients, or whose limits still remember them.
type accounts struct {
	mu      sync.Mutex // protects the fields below
	byName  map[string]*account
	leaving map[string]*account // those without clients
}

// join returns the user's account and counts one client more.
func (a *accounts) join(name string) *account {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.byName[name]
	if u == nil {
		if a.byName == nil {
			a.byName, a.leaving = map[string]*account{}, map[string]*account{}
		}
		u = &account{name: name}
		a.byName[name] = u
	}
	u.clients++
	delete(a.leaving, name)
	return u
}

// leave takes a client away; nil is nobody's account.
func (a *accounts) leave(u *account) {
	if u == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if u.clients--; u.clients == 0 {
		a.leaving[u.name] = u
	}
}

// sweep forgets the accounts without clients that nothing has to be remembered of.
func (a *accounts) sweep(now int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, u := range a.leaving {
		if u.connects.full(now) && u.publish.messages.full(now) && u.publish.bytes.full(now) {
			delete(a.leaving, name)
			delete(a.byName, name)
		}
	}
}

// register counts a CONNECT of a verified user. What an anonymous client calls itself is no user.
func (c *client) register(id *identity) error {
	cfg := &c.srv.cfg
	if cfg.UserConnects == 0 && cfg.UserRate.none() || c.inside != nil || id.Username == "" || id.Method == access.MethodAnonymous {
		return nil
	}
	c.account = c.srv.accounts.join(userOf(id))
	if !c.account.connects.try(c.srv.now(), costOf(1, cfg.UserConnects)) {
		return reject(packet.ConnectionRateExceeded, "this user connects too often")
	}
	return nil
}

// userOf names the account of a verified user.
func userOf(id *access.Identity) string {
	if id.Tenant != "" {
		return id.Tenant + "\x00" + id.Username // no user name has NUL [MQTT-1.5.4-2]
	}
	return id.Username
}

// MayPublish says how long somebody has to wait who publishes without a connection: the rate of a client holds for a user at
// one address, those of users and of the instance for them together with their clients. Nothing was taken unless it returns 0,
// but for a part where several rates hold.
func (s *Server) MayPublish(id access.Identity, from netip.Addr, payload int) time.Duration {
	cfg := &s.cfg
	if !cfg.limited {
		return 0
	}
	now := s.now()
	verified := id.Username != "" && id.Method != access.MethodAnonymous
	user := ""
	if verified {
		user = userOf(&id)
	}
	over := func(wait int64, reason string) time.Duration {
		if wait > 0 {
			s.metrics.fast.WithLabelValues(reason).Inc()
		}
		return time.Duration(wait)
	}
	if !cfg.ClientRate.none() {
		a := s.accounts.join("\x00" + from.Unmap().String() + "\x00" + user) // no user name begins so
		defer s.accounts.leave(a)
		if wait := over(a.publish.admit(cfg.ClientRate, now, payload), rateClient); wait > 0 {
			return wait
		}
	}
	if verified && !cfg.UserRate.none() {
		a := s.accounts.join(user)
		defer s.accounts.leave(a)
		if wait := over(a.publish.admit(cfg.UserRate, now, payload), rateUser); wait > 0 {
			return wait
		}
	}
	if cfg.Rate.none() {
		return 0
	}
	return over(s.spent.admit(cfg.Rate, now, payload), rateInstance)
}

// Whose rate was exceeded: the values of the label "reason".
const (
	rateClient   = "client"
	rateUser     = "user"
	rateInstance = "instance"
)

var errTooFast = &packet.Error{Code: packet.MessageRateTooHigh, Msg: "messages are published faster than is allowed"}

// meter holds a PUBLISH against the rates of client, user and instance. Beyond one the client is not read until it is its
// turn, or disconnected if that is configured; for the instance's rate it always waits. Refused PUBLISHes count too.
func (c *client) meter(payload int) error {
	cfg := &c.srv.cfg
	if !cfg.limited {
		return nil
	}
	now := c.srv.now()
	wait, reason := int64(0), ""
	longer := func(m *meter, r Rate, why string) {
		if w := m.take(r, now, payload); w > wait {
			wait, reason = w, why
		}
	}
	if !cfg.ClientRate.none() {
		longer(&c.inbound().spent, cfg.ClientRate, rateClient)
	}
	if c.account != nil && !cfg.UserRate.none() {
		longer(&c.account.publish, cfg.UserRate, rateUser)
	}
	if wait > 0 && cfg.DisconnectFast {
		c.srv.metrics.fast.WithLabelValues(reason).Inc()
		return errTooFast
	}
	if !cfg.Rate.none() {
		longer(&c.srv.spent, cfg.Rate, rateInstance)
	}
	if wait == 0 {
		return nil
	}
	c.srv.metrics.fast.WithLabelValues(reason).Inc()
	return c.rest(time.Duration(wait))
}

// rest waits, unless the connection is to end.
func (c *client) rest(d time.Duration) (err error) {
	c.during(func(ctx context.Context) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			err = errClosing
		}
	})
	return err
}
