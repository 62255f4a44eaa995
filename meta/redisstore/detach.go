package redisstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/session"
)

// Detach ends the ownership; see session.Store. A repeat by the same owner gets the same answer until the session is
// settled or attached again. The caller may call Settled once it has released the holdings of an ended session;
// otherwise Expired hands it out once more.
//
// After the script the session is entered into due, then taken off the instance's list: a crash in between leaves it
// on the list, where the sweep of the dead instance finds it and does the rest.
func (s *Store) Detach(ctx context.Context, clientID string, e session.Epoch, p session.Parting) (session.Ended, error) {
	ended, err := s.detach(ctx, clientID, e, p)
	if err != nil {
		return ended, fmt.Errorf("detach session: %w", err)
	}
	return ended, nil
}

func (s *Store) detach(ctx context.Context, clientID string, e session.Epoch, p session.Parting) (session.Ended, error) {
	ended := session.Ended{ClientID: clientID}
	t := s.trip()
	cmd := t.run(ctx, s.scripts.detach, s.keys.sessionParts(clientID), uint64(e), s.grace.Milliseconds(), int(p),
		session.MovedGrace.Milliseconds(), session.ClaimTime.Milliseconds())
	if err := t.send(ctx); err != nil {
		return ended, err
	}
	r := newReply(cmd)
	if err := r.code(); err != nil {
		return ended, err
	}
	was := record{clientID: clientID, instance: r.string(), ticket: r.string()}
	due := r.due(clientID)
	ended.Over = r.uint() == 1
	var err error
	if ended.Subscriptions, err = decodeAll(r.strings(), decodeSubscription); err != nil {
		return ended, err
	}
	ended.Wills = s.readWills(clientID, r)
	if r.err != nil {
		return ended, r.err
	}
	var later []redis.Z
	if due != nil {
		later = []redis.Z{*due}
	}
	return ended, s.moveToDue(ctx, later, []record{was})
}

// moveToDue enters sessions into due and then takes them off their instances' lists: in one trip where one server
// keeps their order, in two on a cluster. An entry of due only ever moves to an earlier time here: Expired asks the
// session itself.
func (s *Store) moveToDue(ctx context.Context, later []redis.Z, done []record) error {
	_, cluster := s.client.(*redis.ClusterClient)
	t := s.trip()
	if len(later) > 0 {
		t.pipe.ZAddLT(ctx, s.keys.due(), later...)
		if cluster {
			if err := t.send(ctx); err != nil {
				return err
			}
		}
	}
	s.forget(ctx, t, done)
	if t.pipe.Len() == 0 {
		return nil
	}
	return t.send(ctx)
}

// forget adds the removal of entries from instances' lists to a trip, one script for each instance.
func (s *Store) forget(ctx context.Context, t *trip, done []record) {
	args := make(map[string][]any)
	for _, r := range done {
		if r.instance != "" {
			args[r.instance] = append(args[r.instance], r.clientID, r.ticket)
		}
	}
	for instance, a := range args {
		t.run(ctx, s.scripts.instForget, []string{s.keys.owned(instance)}, a...)
	}
}
