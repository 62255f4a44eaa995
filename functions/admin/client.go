package admin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// Detail is everything that the store has of one client.
type Detail struct {
	Client
	Subscriptions []Subscription `json:"subscriptions"`
	Out           []Out          `json:"out"` // sent to the client, not acknowledged to the end
	In            []In           `json:"in"`  // QoS 2 packet ids received from it, not released
	Wills         []Will         `json:"wills"`
	// Behind is how many messages wait in all subscriptions whose lag is known; null if none is.
	Behind *int64 `json:"behind"`
	// LagErrors says, by broker, why lags are not known.
	LagErrors map[string]string `json:"lag_errors,omitempty"`
}

// Subscription is one filter of a session.
type Subscription struct {
	Filter  string   `json:"filter"`
	QoS     byte     `json:"qos"`
	ID      uint32   `json:"identifier,omitempty"`
	NoLocal bool     `json:"no_local,omitempty"`
	Shared  bool     `json:"shared,omitempty"`  // brokers keep the group's position, the session has none
	Granted bool     `json:"granted,omitempty"` // an operator made it
	Own     bool     `json:"own,omitempty"`     // no subscription: the queue of what is sent to the client itself; Filter is "#p2p"
	LMQ     string   `json:"lmq"`
	Cursors []Cursor `json:"cursors"` // one a broker, as last saved; none for sessions that end with their connection
	Lag     *int64   `json:"lag"`     // of all its cursors; null: not known
}

// Cursor is the position in one queue.
type Cursor struct {
	Broker string `json:"broker"`
	Next   int64  `json:"next"`  // the lowest offset that is not acknowledged
	Acked  int64  `json:"acked"` // how many above it are
	Max    *int64 `json:"max"`   // the offset of the next message; null: not known
	Lag    *int64 `json:"lag"`   // messages not acknowledged; null: not known
}

// Out is a message on its way to the client.
type Out struct {
	PacketID uint16 `json:"packet_id"`
	QoS      byte   `json:"qos"`
	State    string `json:"state"` // "sent": no PUBACK or PUBREC yet; "released": no PUBCOMP yet
	Filter   string `json:"filter"`
	Broker   string `json:"broker"`
	Offset   int64  `json:"offset"`
	Key      string `json:"key"` // UNIQ_KEY
}

// In is a QoS 2 message that the client has sent and not released.
type In struct {
	PacketID uint16     `json:"packet_id"`
	Stored   bool       `json:"stored"` // in RocketMQ's log
	Topic    string     `json:"rocketmq_topic"`
	Broker   string     `json:"broker"`
	Key      string     `json:"key"`
	At       *time.Time `json:"at"`
}

// Will is a will that is not published yet.
type Will struct {
	Topic  string     `json:"topic"`
	QoS    byte       `json:"qos"`
	Retain bool       `json:"retain"`
	Bytes  int        `json:"bytes"`
	Delay  string     `json:"delay"`
	Stage  string     `json:"waits_for"` // see session.WillStage
	At     *time.Time `json:"at"`
}

// Client returns one client, or ErrNoClient. That lags cannot be had is no error.
func (a *Admin) Client(ctx context.Context, id string) (Detail, error) {
	info, st, err := a.cfg.Sessions.Peek(ctx, id)
	if errors.Is(err, session.ErrNotFound) {
		return Detail{}, ErrNoClient
	}
	if err != nil {
		return Detail{}, err
	}
	d := Detail{Client: client(&info), Subscriptions: subscriptions(&st), Out: outs(st.Out), In: ins(st.In), Wills: []Will{}}
	wills, err := a.cfg.Sessions.WaitingWills(ctx, id)
	if err != nil {
		return Detail{}, err
	}
	for _, w := range wills {
		d.Wills = append(d.Wills, Will{
			Topic: w.Message.Topic, QoS: w.Message.QoS, Retain: w.Message.Retain, Bytes: len(w.Message.Payload),
			Delay: w.Delay.String(), Stage: string(w.Stage), At: timestamp(w.At),
		})
	}
	if a.cfg.Log != nil {
		a.lags(ctx, &d)
	}
	return d, nil
}

// subscriptions are sorted by their age, as the session has them; the client's own queue comes first.
func subscriptions(st *session.State) []Subscription {
	slices.SortFunc(st.Subscriptions, func(a, b session.Subscription) int {
		if a.Seq != b.Seq {
			if a.Seq < b.Seq {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Filter, b.Filter)
	})
	cursors := make(map[string][]Cursor)
	for _, c := range st.Cursors {
		one := Cursor{Broker: c.Broker, Next: c.Next}
		for _, r := range c.Acked {
			one.Acked += r.Last - r.First + 1
		}
		cursors[c.Filter] = append(cursors[c.Filter], one)
	}
	all := make([]Subscription, 0, len(st.Subscriptions)+1)
	if own := cursors[topic.OwnFilter]; own != nil {
		slices.SortFunc(own, func(a, b Cursor) int { return strings.Compare(a.Broker, b.Broker) })
		all = append(all, Subscription{Filter: topic.OwnFilter, QoS: 2, Own: true, LMQ: topic.P2PLMQ(st.ClientID), Cursors: own})
	}
	for _, s := range st.Subscriptions {
		one := Subscription{Filter: s.Filter, QoS: s.QoS, ID: s.ID, NoLocal: s.NoLocal, Granted: s.Granted, LMQ: topic.LMQ(s.Filter), Cursors: cursors[s.Filter]}
		if _, inner, shared, err := topic.ParseShared(s.Filter); err == nil && shared {
			one.Shared, one.LMQ = true, topic.SharedLMQ(inner)
		}
		if one.Cursors == nil {
			one.Cursors = []Cursor{}
		}
		slices.SortFunc(one.Cursors, func(a, b Cursor) int { return strings.Compare(a.Broker, b.Broker) })
		all = append(all, one)
	}
	return all
}

func outs(all []session.Outbound) []Out {
	out := make([]Out, 0, len(all))
	for _, o := range all {
		one := Out{PacketID: o.PacketID, QoS: o.QoS, State: "sent", Filter: o.Filter, Broker: o.Broker, Offset: o.Offset, Key: o.Key}
		if o.State == session.OutReleased {
			one.State = "released"
		}
		out = append(out, one)
	}
	return out
}

func ins(all []session.Inbound) []In {
	in := make([]In, 0, len(all))
	for _, i := range all {
		in = append(in, In{PacketID: i.PacketID, Stored: i.Done, Topic: i.Topic, Broker: i.Broker, Key: i.Key, At: timestamp(time.UnixMilli(i.AtMillis))})
	}
	slices.SortFunc(in, func(a, b In) int { return int(a.PacketID) - int(b.PacketID) })
	return in
}

// lags asks all brokers at once where the queues of the cursors end: one that does not answer hides only its own.
func (a *Admin) lags(ctx context.Context, d *Detail) {
	type at struct {
		queues  []Queue
		cursors []*Cursor
	}
	brokers := make(map[string]*at)
	for i := range d.Subscriptions {
		s := &d.Subscriptions[i]
		for j := range s.Cursors {
			c := &s.Cursors[j]
			if brokers[c.Broker] == nil {
				brokers[c.Broker] = &at{}
			}
			b := brokers[c.Broker]
			b.queues, b.cursors = append(b.queues, Queue{c.Broker, s.LMQ}), append(b.cursors, c)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.LogTimeout)
	defer cancel()
	var (
		mu sync.Mutex // protects d.LagErrors
		wg sync.WaitGroup
	)
	for name, b := range brokers {
		wg.Go(func() {
			ends, err := a.cfg.Log.MaxOffsets(ctx, b.queues)
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				if d.LagErrors == nil {
					d.LagErrors = make(map[string]string)
				}
				d.LagErrors[name] = err.Error()
				return
			}
			for i, c := range b.cursors {
				lag := max(ends[i]-c.Next-c.Acked, 0)
				c.Max, c.Lag = &ends[i], &lag
			}
		})
	}
	wg.Wait()
	d.add()
}

// add sums up the lags of cursors: of a subscription where all are known, of the session what is known.
func (d *Detail) add() {
	sum, known := int64(0), false
	for i := range d.Subscriptions {
		s := &d.Subscriptions[i]
		lag, whole := int64(0), len(s.Cursors) > 0
		for _, c := range s.Cursors {
			if c.Lag == nil {
				whole = false
				continue
			}
			lag, known = lag+*c.Lag, true
		}
		if sum += lag; whole {
			s.Lag = &lag
		}
	}
	if known {
		d.Behind = &sum
	}
}
