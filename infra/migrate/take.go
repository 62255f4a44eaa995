package migrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// take takes one client over: the session is attached as if the client connected, written, and detached. The plan is made
// anew of the session as it was attached.
func (m *mover) take(ctx context.Context, t target, info session.Info) (Outcome, error) {
	request := session.AttachRequest{
		AnyHolder: true,
		ClientID:  t.id, Instance: m.instance, Expiry: m.opt.Expiry, Protocol: 4, Address: "lmqgate migrate",
	}
	if info.ClientID != "" {
		request.Expiry, request.Protocol, request.Username, request.Address = info.Expiry, info.Protocol, info.Username, info.Address
	}
	st, err := m.sessions.Attach(ctx, request)
	if err != nil {
		return Outcome{}, err
	}
	o, err := m.taken(ctx, t, st)
	// The session is kept as it was after an error: only a new one ends, by its expiry interval.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if o.Result != Taken && !st.Present {
		none := time.Duration(0)
		_ = m.sessions.Write(after, []session.Change{{ClientID: t.id, Epoch: st.Epoch, Expiry: &none}})
	}
	if _, e := m.sessions.Detach(after, t.id, st.Epoch, session.PartingClean); e != nil && !errors.Is(e, session.ErrFenced) {
		err = errors.Join(err, e)
	}
	return o, err
}

// taken writes the session that was attached.
func (m *mover) taken(ctx context.Context, t target, st session.State) (Outcome, error) {
	o, err := m.look(ctx, t, session.Info{ClientID: t.id}, st)
	if err != nil || o.Result != WouldTake {
		return o, err
	}
	if st.Previous != nil {
		o.Result, o.Why = Refused, "the client connected here at this moment"
		return o, nil
	}
	change := session.Change{ClientID: t.id, Epoch: st.Epoch}
	var holds []registry.Hold
	for i := range o.Queues {
		q := &o.Queues[i]
		switch q.Action {
		case Take, Advance, End:
		default:
			continue
		}
		if q.Filter != topic.OwnFilter && !subscribed(&st, q.Filter) {
			sub := m.subscription(q.Filter, &st, uint64(len(holds)))
			st.Subscriptions = append(st.Subscriptions, sub)
			change.SetSubs = append(change.SetSubs, sub)
			holds = append(holds, registry.Hold{Filter: q.Filter, ClientID: t.id, Epoch: uint64(sub.HoldEpoch), Seq: sub.HoldSeq})
		}
		c, err := m.cursor(ctx, q)
		if err != nil {
			return o, err
		}
		change.SetCursors = append(change.SetCursors, c)
	}
	if len(holds) > 0 {
		if err := m.sessions.Hold(ctx, holds); err != nil {
			return o, err
		}
	}
	if err := m.sessions.Write(ctx, []session.Change{change})[0]; err != nil {
		return o, errors.Join(err, m.sessions.Release(ctx, holds))
	}
	o.Result = Taken
	return o, nil
}

// subscription is the n-th new one of a session.
func (m *mover) subscription(filter string, st *session.State, n uint64) session.Subscription {
	return session.Subscription{
		Filter: filter, QoS: m.opt.QoS, Seq: st.NextSeq + n, HoldEpoch: st.Epoch, HoldSeq: n + 1,
		SinceMillis: m.opt.Now().UnixMilli(),
	}
}

// cursor makes a session's cursor, with the message before it by which it is recognised that the queue is still the same.
func (m *mover) cursor(ctx context.Context, q *Queue) (session.Cursor, error) {
	c := session.Cursor{CursorKey: session.CursorKey{Filter: q.Filter, Broker: q.Broker}, Begin: q.Next, Next: q.Next}
	if q.Next <= q.Min {
		return c, nil
	}
	r, err := m.log.Pull(ctx, rocketmq.LMQ{Broker: q.Broker, Name: q.LMQ}, q.Next-1, 1)
	if err != nil {
		return c, fmt.Errorf("read message before the cursor: %w", err)
	}
	if len(r.Messages) > 0 && r.Messages[0].LMQOffset == q.Next-1 {
		c.LastKey, c.LastStore = r.Messages[0].Key, r.Messages[0].StoreMillis
	}
	return c, nil
}
