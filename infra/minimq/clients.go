package minimq

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// clientLife is how long a client is known after its last heartbeat.
const clientLife = 120 * time.Second

// clientTable knows the consumers that send heartbeats.
type clientTable struct {
	b *Broker

	mu     sync.Mutex // protects m and what it holds
	m      map[string]*consumerGroup
	sweeps *alarm
}

// consumerGroup is the consumers of one group and what they subscribe to.
type consumerGroup struct {
	model   string
	members map[*conn]*member
	subs    map[string]remoting.Subscription // by topic
}

type member struct {
	id   string
	seen time.Time
}

func newClientTable(b *Broker) *clientTable {
	return &clientTable{b: b, m: map[string]*consumerGroup{}}
}

func (t *clientTable) heartbeat(c *conn, req *remoting.Command) *remoting.Command {
	hb, err := remoting.DecodeHeartbeat(req.Body)
	if err != nil {
		return answer(remoting.SystemError, err.Error())
	}
	for _, g := range hb.Consumers {
		cfg, found := t.b.groups.find(g.Name)
		if !found {
			continue
		}
		t.b.makeTopic(store.RetryPrefix+g.Name, cfg.RetryQueueNums)
		notify := t.join(c, hb.ClientID, g)
		if cfg.NotifyIDsChanged {
			notifyIDsChanged(g.Name, notify)
		}
	}
	return ok("IS_SUPPORT_HEART_BEAT_V2", "true", "IS_SUB_CHANGE", "true")
}

// join notes a consumer and returns whom to tell that the group has changed.
func (t *clientTable) join(c *conn, id string, g remoting.ConsumerGroup) []*conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	group := t.m[g.Name]
	if group == nil {
		group = &consumerGroup{members: map[*conn]*member{}, subs: map[string]remoting.Subscription{}}
		t.m[g.Name] = group
	}
	group.model = g.Model
	m := group.members[c]
	changed := m == nil || m.id != id
	if changed {
		m = &member{id: id}
		group.members[c] = m
	}
	m.seen = t.b.cfg.Now()
	if t.sweeps == nil {
		t.sweeps = t.b.timers.add(m.seen.Add(clientLife), t.sweep)
	}
	if group.subscribe(g.Subscriptions) {
		changed = true
	}
	if !changed {
		return nil
	}
	return group.toNotify()
}

// subscribe takes over subscriptions and tells whether topics came or went.
func (g *consumerGroup) subscribe(subs []remoting.Subscription) bool {
	changed := false
	seen := map[string]bool{}
	for _, s := range subs {
		seen[s.Topic] = true
		old, found := g.subs[s.Topic]
		if !found {
			changed = true
		}
		if !found || s.Version > old.Version {
			g.subs[s.Topic] = s
		}
	}
	for topic := range g.subs {
		if !seen[topic] {
			delete(g.subs, topic)
			changed = true
		}
	}
	return changed
}

func (g *consumerGroup) toNotify() []*conn {
	if g.model == "BROADCASTING" {
		return nil
	}
	var out []*conn
	for c := range g.members {
		out = append(out, c)
	}
	return out
}

// notifyIDsChanged tells consumers that their group has changed.
func notifyIDsChanged(group string, to []*conn) {
	for _, c := range to {
		c.send(&remoting.Command{
			Code: remoting.NotifyConsumerIDsChanged, Version: remoting.ClientVersion, Flag: remoting.FlagOneway,
			Ext: map[string]string{"consumerGroup": group},
		})
	}
}

func (t *clientTable) unregister(c *conn, a *args) *remoting.Command {
	id := a.str("clientID")
	if a.bad != "" {
		return nil
	}
	if group, found := a.ext["consumerGroup"]; found {
		notifyIDsChanged(group, t.leave(group, func(m *conn, who *member) bool { return m == c && who.id == id }))
	}
	return ok()
}

// leave removes the members that gone picks and returns whom to tell.
func (t *clientTable) leave(name string, gone func(*conn, *member) bool) []*conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	group := t.m[name]
	if group == nil {
		return nil
	}
	left := false
	for c, m := range group.members {
		if gone(c, m) {
			delete(group.members, c)
			left = true
		}
	}
	if len(group.members) == 0 {
		delete(t.m, name)
	}
	if !left {
		return nil
	}
	return group.toNotify()
}

func (t *clientTable) names() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []string
	for name := range t.m {
		out = append(out, name)
	}
	return out
}

// closed removes a connection from all groups.
func (t *clientTable) closed(c *conn) {
	for _, name := range t.names() {
		notifyIDsChanged(name, t.leave(name, func(m *conn, _ *member) bool { return m == c }))
	}
}

// sweep removes the clients whose heartbeats have stopped.
func (t *clientTable) sweep() {
	now := t.b.cfg.Now()
	for _, name := range t.names() {
		notifyIDsChanged(name, t.leave(name, func(_ *conn, m *member) bool { return now.Sub(m.seen) >= clientLife }))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweeps = nil
	if len(t.m) > 0 {
		t.sweeps = t.b.timers.add(now.Add(clientLife/4), t.sweep)
	}
}

// list answers the client ids of a group.
func (t *clientTable) list(name string) *remoting.Command {
	t.mu.Lock()
	defer t.mu.Unlock()
	var ids []string
	if group := t.m[name]; group != nil {
		for _, m := range group.members {
			ids = append(ids, m.id)
		}
	}
	if len(ids) == 0 {
		return answer(remoting.SystemError, "no consumer for this group, "+name)
	}
	slices.Sort(ids)
	return withJSON(map[string]any{"consumerIdList": ids})
}

// filter finds the subscription of a pull that brings none itself.
func (t *clientTable) filter(h pullHeader) (filter, *remoting.Command) {
	t.mu.Lock()
	defer t.mu.Unlock()
	group := t.m[h.group]
	if group == nil {
		return filter{}, answer(remoting.SubscriptionNotExist, "the consumer's group info not exist"+seeFAQ)
	}
	sub, found := group.subs[h.topic]
	if !found {
		return filter{}, answer(remoting.SubscriptionNotExist, "the consumer's subscription not exist"+seeFAQ)
	}
	if sub.Version < h.subVersion {
		return filter{}, answer(remoting.SubscriptionNotLatest, "the consumer's subscription not latest")
	}
	return parseFilter(sub.Expression, sub.Type)
}

func checkClientConfig(req *remoting.Command) *remoting.Command {
	var body struct {
		Subscription struct {
			Type string `json:"expressionType"`
		} `json:"subscriptionData"`
	}
	if err := json.Unmarshal(req.Body, &body); err != nil {
		return answer(remoting.SystemError, err.Error())
	}
	if t := body.Subscription.Type; t != "" && t != "TAG" {
		return answer(remoting.SystemError, "The broker does not support consumer to filter message by "+t)
	}
	return ok()
}
