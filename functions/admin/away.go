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

// ownClients begin the ids of clients that are the gateway's own: what they read is said elsewhere.
var ownClients = []string{"$http/", "$push/"}

// ours reports whether a client is the gateway's own.
func ours(id string) bool {
	return slices.ContainsFunc(ownClients, func(prefix string) bool { return strings.HasPrefix(id, prefix) })
}

// subscribeAway subscribes the session of a client that is away, in the order of a SUBSCRIBE: registry, then the ends of the
// queues as cursors, then session. The write is refused if the client has come back; then nothing was done.
func (a *Admin) subscribeAway(ctx context.Context, st *session.State, sub session.Subscription) error {
	old := subscribed(st, sub.Filter)
	if err := a.mayHave(ctx, st, sub.Filter, old == nil); err != nil {
		return err
	}
	sub.Retained = sub.RetainHandling == 0 || sub.RetainHandling == 1 && old == nil // [MQTT-3.3.1-9..11]
	if old != nil {                                                                 // it keeps its place and is held [MQTT-3.8.4-3]
		sub.Seq, sub.SinceMillis, sub.HoldEpoch, sub.HoldSeq = old.Seq, old.SinceMillis, old.HoldEpoch, old.HoldSeq
		if !sub.Retained {
			sub.Retained, sub.RetainedAt = old.Retained, old.RetainedAt
		}
		return a.cfg.Sessions.Amend(ctx, session.Change{ClientID: st.ClientID, Epoch: st.Epoch, SetSubs: []session.Subscription{sub}})
	}
	now := time.Now()
	for _, s := range st.Subscriptions {
		sub.Seq = max(sub.Seq, s.Seq)
	}
	sub.Seq, sub.SinceMillis = sub.Seq+1, now.UnixMilli()
	sub.HoldEpoch, sub.HoldSeq = st.Epoch, uint64(now.UnixMicro()) // newer than any tag of that connection: it counts them from 1
	if err := a.cfg.Filters.Hold(ctx, hold(st.ClientID, &sub)); err != nil {
		return err
	}
	err := a.cfg.Sessions.Amend(ctx, session.Change{
		ClientID: st.ClientID, Epoch: st.Epoch, SetSubs: []session.Subscription{sub}, SetCursors: a.begins(ctx, sub.Filter),
	})
	if errors.Is(err, session.ErrFenced) { // otherwise it may have been written; reconciliation finds a holding that is for nothing
		_ = a.cfg.Filters.Release(context.WithoutCancel(ctx), hold(st.ClientID, &sub))
	}
	return err
}

// mayHave says what stands against a subscription of a client that is away.
func (a *Admin) mayHave(ctx context.Context, st *session.State, filter string, fresh bool) error {
	_, inner, shared, _ := topic.ParseShared(filter)
	if _, own := topic.SpaceIn(st.ClientID).Unmount(inner); !own {
		return ErrPrivate
	}
	if to, private := topic.PrivateTo(inner); private && (to != st.ClientID || shared) && !a.cfg.NoP2P {
		return ErrPrivate
	}
	switch {
	case shared: // a group begins with a member that reads
		return ErrShared
	case !fresh:
		return nil
	case a.cfg.MaxSubscriptions > 0 && len(st.Subscriptions) >= a.cfg.MaxSubscriptions:
		return ErrTooMany
	case a.cfg.Limit == nil:
		return nil
	}
	switch over, err := a.cfg.Limit.Refused(ctx, []string{filter}); {
	case err != nil:
		return err
	case over[0]:
		return ErrTooMany
	}
	return nil
}

// begins are the ends of a filter's queues. A broker that does not answer is left out: the session finds its place there by
// store time.
func (a *Admin) begins(ctx context.Context, filter string) []session.Cursor {
	if a.cfg.Log == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, min(a.cfg.LogTimeout, 2*time.Second))
	defer cancel()
	var (
		mu  sync.Mutex // protects all
		all []session.Cursor
		wg  sync.WaitGroup
	)
	for _, broker := range a.cfg.Log.Brokers() {
		wg.Go(func() {
			ends, err := a.cfg.Log.MaxOffsets(ctx, []Queue{{broker, topic.LMQ(filter)}})
			if err != nil || len(ends) != 1 {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, session.Cursor{CursorKey: session.CursorKey{Filter: filter, Broker: broker}, Begin: ends[0], Next: ends[0]})
		})
	}
	wg.Wait()
	return all
}

// unsubscribeAway ends a subscription of a client that is away: session first, then registry. Messages in flight stay in flight
// [MQTT-3.10.4-3].
func (a *Admin) unsubscribeAway(ctx context.Context, st *session.State, sub session.Subscription) error {
	old := subscribed(st, sub.Filter)
	if old == nil {
		return nil
	}
	change := session.Change{ClientID: st.ClientID, Epoch: st.Epoch, DropSubs: []string{sub.Filter}}
	for _, c := range st.Cursors {
		if c.Filter == sub.Filter {
			change.DropCursors = append(change.DropCursors, c.CursorKey)
		}
	}
	if err := a.cfg.Sessions.Amend(ctx, change); err != nil {
		return err
	}
	return a.cfg.Filters.Release(ctx, hold(st.ClientID, old))
}
