package deliver

import (
	"slices"

	"lmqgate/meta/session"
)

// subscription is one subscription of a live session. Protected by Session.mu.
type subscription struct {
	session.Subscription
	foreign bool    // of before P2P was on, to what is sent to another client: gets nothing
	lmq     string  // "" if it is shared: its group reads
	member  *member // of its group, if it is shared
	cursors []*cursor
	parked  []session.Cursor // persisted cursors of brokers not known now
	walk    *walk            // the delivery of retained messages, nil if none is wanted
}

// cursor returns the cursor on broker, nil if there is none.
func (s *subscription) cursor(broker string) *cursor {
	for _, c := range s.cursors {
		if c.broker == broker {
			return c
		}
	}
	return nil
}

// indexFrom is the number of subscriptions from which a session keeps maps of them; below it a scan is as fast and
// costs an idle session nothing.
const indexFrom = 16

// subscriptions are those of one session. Protected by Session.mu.
type subscriptions struct {
	list   []*subscription            // ascending by Seq
	byName map[string]*subscription   // nil while there are few
	byLMQ  map[string][]*subscription // nil while there are few
}

func (l *subscriptions) len() int { return len(l.list) }

// named finds a subscription by its filter, nil if there is none.
func (l *subscriptions) named(filter string) *subscription {
	if l.byName != nil {
		return l.byName[filter]
	}
	for _, sub := range l.list {
		if sub.Filter == filter {
			return sub
		}
	}
	return nil
}

// reading returns subscriptions among which are all that read the LMQ.
func (l *subscriptions) reading(lmq string) []*subscription {
	if l.byLMQ != nil {
		return l.byLMQ[lmq]
	}
	return l.list
}

func (l *subscriptions) add(sub *subscription) {
	i := len(l.list)
	for i > 0 && l.list[i-1].Seq > sub.Seq {
		i--
	}
	l.list = slices.Insert(l.list, i, sub)
	switch {
	case l.byName != nil:
		l.index(sub)
	case len(l.list) >= indexFrom:
		l.byName, l.byLMQ = map[string]*subscription{}, map[string][]*subscription{}
		for _, sub := range l.list {
			l.index(sub)
		}
	}
}

func (l *subscriptions) index(sub *subscription) {
	l.byName[sub.Filter] = sub
	l.byLMQ[sub.lmq] = append(l.byLMQ[sub.lmq], sub)
}

func (l *subscriptions) remove(sub *subscription) {
	l.list = without(l.list, sub)
	if l.byName == nil {
		return
	}
	delete(l.byName, sub.Filter)
	if rest := without(l.byLMQ[sub.lmq], sub); len(rest) > 0 {
		l.byLMQ[sub.lmq] = rest
	} else {
		delete(l.byLMQ, sub.lmq)
	}
}

func without[T comparable](list []T, v T) []T {
	if i := slices.Index(list, v); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}
