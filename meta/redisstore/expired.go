package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/session"
)

// postpone is how long a session of an unknown format is left alone, so that it does not block the head of due.
const postpone = time.Hour

// Expired ends detached sessions whose expiry has passed at now, by the clock of Redis when now is zero, and hands out
// again ended ones that nobody settled within the grace time; see session.Sweeper. An entry of due is only a hint: the
// script asks the session itself.
//
// Crash points: after the scripts, ended sessions are still in due under their old time: the next call moves them to
// the end of their grace time, and once that has passed they are handed out again.
func (s *Store) Expired(ctx context.Context, now time.Time, limit int) ([]session.Ended, bool, error) {
	ended, more, err := s.expired(ctx, now, max(limit, 1))
	if err != nil {
		err = fmt.Errorf("sweep expired sessions: %w", err)
	}
	return ended, more, err
}

func (s *Store) expired(ctx context.Context, now time.Time, limit int) ([]session.Ended, bool, error) {
	at := ""
	if !now.IsZero() {
		at = strconv.FormatInt(now.UnixMilli(), 10)
	}
	t := s.trip()
	page := t.run(ctx, s.scripts.duePage, []string{s.keys.due()}, at, limit+1)
	if err := t.send(ctx); err != nil {
		return nil, false, err
	}
	entries, err := page.StringSlice()
	if err != nil {
		return nil, false, err
	}
	more := len(entries) > 2*limit
	entries = entries[:min(len(entries), 2*limit)]
	if len(entries) == 0 {
		return nil, false, nil
	}
	ended, err := s.expire(ctx, at, entries)
	return ended, more, err
}

// expire runs expire.lua for entries of due (client id, score, ...) and moves them to where they then belong.
func (s *Store) expire(ctx context.Context, at string, entries []string) ([]session.Ended, error) {
	claim, err := s.token()
	if err != nil {
		return nil, err
	}
	t := s.trip()
	replies := make([]*redis.Cmd, len(entries)/2)
	for i := range replies {
		replies[i] = t.run(ctx, s.scripts.expire, s.keys.sessionParts(entries[2*i]), at, s.grace.Milliseconds(), claim,
			session.ClaimTime.Milliseconds())
	}
	_ = t.send(ctx) // every reply carries its own error
	var (
		ended []session.Ended
		moves []any
		errs  errorSet
	)
	for i, cmd := range replies {
		clientID, seen := entries[2*i], entries[2*i+1]
		one, err := s.readSwept(clientID, cmd)
		if err != nil {
			errs.add(err)
			if one.code == codeFormat {
				moves = append(moves, clientID, seen, later(seen))
			}
			continue
		}
		if one.Over || len(one.Wills) > 0 {
			ended = append(ended, one.Ended)
		}
		moves = append(moves, clientID, seen, one.score())
	}
	errs.add(s.moveDue(ctx, moves))
	return ended, errs.err()
}

// later is a score postponed.
func later(score string) string {
	ms, err := strconv.ParseFloat(score, 64)
	if err != nil {
		return score
	}
	return strconv.FormatInt(int64(ms)+postpone.Milliseconds(), 10)
}

// moveDue runs due_move.lua with client id, score seen, new score, ...
func (s *Store) moveDue(ctx context.Context, moves []any) error {
	if len(moves) == 0 {
		return nil
	}
	t := s.trip()
	t.run(ctx, s.scripts.dueMove, []string{s.keys.due()}, moves...)
	return t.send(ctx)
}

// appendMove reads an answer {score seen, new score} and adds what due_move.lua is to do, if anything.
func appendMove(moves []any, clientID string, cmd *redis.Cmd, errs *errorSet) []any {
	r := newReply(cmd)
	seen, to := r.string(), r.string()
	errs.add(r.err)
	if r.err != nil || seen == to {
		return moves
	}
	return append(moves, clientID, seen, to)
}

// Settled forgets ended sessions whose holdings were released. One that was attached meanwhile is left alone.
func (s *Store) Settled(ctx context.Context, clientIDs []string) error {
	if len(clientIDs) == 0 {
		return nil
	}
	t := s.trip()
	replies := make([]*redis.Cmd, len(clientIDs))
	for i, id := range clientIDs {
		replies[i] = t.run(ctx, s.scripts.settle, s.keys.sessionParts(id), s.grace.Milliseconds())
	}
	_ = t.send(ctx) // every reply carries its own error
	var (
		moves []any
		errs  errorSet
	)
	for i, cmd := range replies {
		moves = appendMove(moves, clientIDs[i], cmd, &errs)
	}
	errs.add(s.moveDue(ctx, moves))
	if err := errs.err(); err != nil {
		return fmt.Errorf("settle sessions: %w", err)
	}
	return nil
}
