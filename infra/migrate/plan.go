package migrate

import (
	"context"
	"errors"
	"fmt"

	"lmqgate/adapter/rocketmq"
	"lmqgate/meta/javameta"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

// look plans a client, given the session that it has here; a session that does not exist is empty.
func (m *mover) look(ctx context.Context, t target, info session.Info, st session.State) (Outcome, error) {
	o := Outcome{ClientID: t.id, Result: Unchanged, Queues: []Queue{}}
	for _, w := range t.queues {
		for _, b := range m.log.Brokers() {
			q, err := m.queue(ctx, t.id, w, b.Name, &st)
			if err != nil {
				return o, err
			}
			o.Queues = append(o.Queues, q)
		}
	}
	o.dropIdle()
	for i := range o.Queues {
		switch o.Queues[i].Action {
		case Take, Advance:
			o.Result = WouldTake
		}
	}
	o.judge(info, m.opt.MaxSubscriptions, st)
	return o, nil
}

// dropIdle leaves out queues that the client has committed no cursor in at any broker.
func (o *Outcome) dropIdle() {
	committed := make(map[string]bool)
	for i := range o.Queues {
		if o.Queues[i].Cursor >= 0 {
			committed[o.Queues[i].LMQ] = true
		}
	}
	kept := o.Queues[:0]
	for _, q := range o.Queues {
		if committed[q.LMQ] {
			kept = append(kept, q)
		}
	}
	o.Queues = kept
}

// judge refuses a client of which anything cannot be taken over.
func (o *Outcome) judge(info session.Info, most int, st session.State) {
	filters := make(map[string]bool)
	for i := range st.Subscriptions {
		filters[st.Subscriptions[i].Filter] = true
	}
	for i := range o.Queues {
		if filter := o.Queues[i].Filter; filter != topic.OwnFilter { // which is no subscription
			filters[filter] = true
		}
		if q := &o.Queues[i]; q.Action == Refuse && o.Why == "" {
			o.Result, o.Why = Refused, fmt.Sprintf("%s at %s: %s", q.LMQ, q.Broker, q.Note)
		}
	}
	switch {
	case len(o.Queues) == 0:
		o.Result, o.Why = Refused, "the Java gateway has committed no cursor of this client"
	case o.Result == WouldTake && info.Connected:
		o.Result, o.Why = Refused, "the client is connected here"
	case most > 0 && len(filters) > most:
		o.Result, o.Why = Refused, fmt.Sprintf("it has %d filters, MAX_SUBSCRIPTIONS is %d", len(filters), most)
	}
}

// queue plans one queue at one broker.
func (m *mover) queue(ctx context.Context, clientID string, w want, broker string, st *session.State) (Queue, error) {
	q := Queue{Filter: w.filter, LMQ: w.lmq, Broker: broker, Cursor: -1}
	cursor, found, err := m.log.QueryConsumerOffset(ctx, broker, javameta.Group(clientID), w.lmq, 0)
	if err != nil {
		return q, err
	}
	if found {
		q.Cursor = cursor
	}
	lmq := rocketmq.LMQ{Broker: broker, Name: w.lmq}
	if q.Max, err = m.log.MaxOffset(ctx, lmq); err != nil {
		return q, err
	}
	if q.Min, err = m.log.MinOffset(ctx, lmq); err != nil {
		return q, err
	}
	if w.filter == "" {
		q.leave(w.why, m.opt.AcceptGaps)
	} else {
		q.compare(cursorOf(st, w.filter, broker), subscribed(st, w.filter), inFlight(st, w.filter, broker), m.opt.AcceptGaps)
	}
	q.Waiting = max(0, q.Max-q.Next)
	return q, nil
}

// leave handles a queue that no subscription here can have.
func (q *Queue) leave(why string, accept bool) {
	q.Next, q.Action, q.Note = max(q.Cursor, q.Min), Leave, why
	if waiting := q.Max - q.Next; q.Cursor >= 0 && waiting > 0 {
		q.Note = fmt.Sprintf("%s, in which %d messages wait: let the client read them at the Java gateway first", why, waiting)
		if !accept {
			q.Action = Refuse
		}
	}
}

// compare decides by the cursor that was committed, what the queue holds, and the cursor of the session here, if any.
func (q *Queue) compare(here *session.Cursor, subscribed, flight, accept bool) {
	if here != nil {
		next := here.Next
		q.Here = &next
	}
	switch {
	case q.Cursor < 0 && here != nil:
		q.Action, q.Next = Ahead, here.Next
	case q.Cursor < 0 && subscribed:
		q.Action, q.Next = Ahead, q.Max
	case q.Cursor < 0:
		q.Action, q.Next = End, q.Max
		if q.Max > q.Min {
			q.Note = "no cursor was committed here, as with the Java gateway reading begins at the end"
		}
	case here != nil && here.Next >= q.Cursor:
		q.keep(here, accept)
	case q.Cursor > q.Max:
		q.gap(accept, "the cursor %d is beyond the end %d: the queue began anew, all of it would be delivered", q.Cursor, q.Max)
	case q.Cursor < q.Min:
		q.gap(accept, "%d messages behind the cursor are no longer kept by the broker", q.Min-q.Cursor)
	case here == nil && subscribed:
		q.Action, q.Next, q.Note = Refuse, q.Cursor, "the session here has that filter, and has not begun to read this queue: try again once the client has connected"
	case here == nil:
		q.Action, q.Next = Take, q.Cursor
	case flight || len(here.Acked) > 0:
		q.Action, q.Next, q.Note = Refuse, here.Next, fmt.Sprintf("both gateways have delivered: the session here stands at %d with messages in flight", here.Next)
	default:
		q.Action, q.Next = Advance, q.Cursor
		q.Note = fmt.Sprintf("the client has read on at the Java gateway, the session here stood at %d", here.Next)
	}
}

// keep leaves a session's cursor, which is not behind the committed one, if it began at or before that.
func (q *Queue) keep(here *session.Cursor, accept bool) {
	q.Action, q.Next = Ahead, here.Next
	if here.Next == q.Cursor {
		q.Action = Same
	}
	if missed := here.Begin - max(q.Cursor, q.Min); missed > 0 {
		q.Note = fmt.Sprintf("the subscription here began at %d: %d messages before that would be lost, or delivered behind newer ones", here.Begin, missed)
		if !accept {
			q.Action = Refuse
		}
	}
}

// gap begins at the queue's minimum if that is accepted.
func (q *Queue) gap(accept bool, format string, args ...any) {
	q.Next, q.Note, q.Action = q.Min, fmt.Sprintf(format, args...), Refuse
	if accept {
		q.Action = Take
		if q.Here != nil {
			q.Action = Advance
		}
	}
}

func cursorOf(st *session.State, filter, broker string) *session.Cursor {
	for i := range st.Cursors {
		if st.Cursors[i].Filter == filter && st.Cursors[i].Broker == broker {
			return &st.Cursors[i]
		}
	}
	return nil
}

func subscribed(st *session.State, filter string) bool {
	for i := range st.Subscriptions {
		if st.Subscriptions[i].Filter == filter {
			return true
		}
	}
	return false
}

func inFlight(st *session.State, filter, broker string) bool {
	for i := range st.Out {
		if st.Out[i].Filter == filter && st.Out[i].Broker == broker {
			return true
		}
	}
	return false
}

// peek reads the session that a client has here, if any.
func (m *mover) peek(ctx context.Context, clientID string) (session.Info, session.State, error) {
	info, st, err := m.sessions.Peek(ctx, clientID)
	if errors.Is(err, session.ErrNotFound) || err == nil && info.Ended {
		return session.Info{}, session.State{}, nil
	}
	return info, st, err
}
