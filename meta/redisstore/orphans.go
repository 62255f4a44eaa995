package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/session"
)

// Answers of attach.lua, orphan.lua and expire.lua beside codeDone and codeFormat.
const (
	codeTooMany  = 3 // of attach
	codeTooSoon  = 4 // of attach
	codeForeign  = 5 // of attach
	codeDetached = 4 // of orphan
)

// Orphans detaches sessions of an instance whose lease has ended; see session.Sweeper. An instance that lives is left
// alone. When nothing is left of a dead instance it is forgotten. Sessions of an unknown format stay where they are;
// the error then wraps session.ErrFormat, and the others are handled all the same.
//
// Crash points: after the scripts, sessions are detached or ended but still on the list, so the next call enters them
// into due and takes them off; what was ended without being settled is handed out by Expired.
func (s *Store) Orphans(ctx context.Context, instance string, limit int) ([]session.Ended, bool, error) {
	ended, more, err := s.orphans(ctx, instance, limit)
	if err != nil {
		err = fmt.Errorf("sweep instance: %w", err)
	}
	return ended, more, err
}

func (s *Store) orphans(ctx context.Context, instance string, limit int) ([]session.Ended, bool, error) {
	t := s.trip()
	leaseReply := t.run(ctx, s.scripts.instLease, []string{s.keys.instances()}, instance)
	picked := t.pipe.HRandFieldWithValues(ctx, s.keys.owned(instance), max(limit, 1))
	count := t.pipe.HLen(ctx, s.keys.owned(instance))
	if err := t.send(ctx); err != nil {
		return nil, false, err
	}
	now, end, err := lease(leaseReply)
	if err != nil || end.After(now) {
		return nil, false, err
	}
	if end.IsZero() {
		end = now
	}
	records := make([]record, 0, len(picked.Val()))
	for _, kv := range picked.Val() {
		records = append(records, record{instance: instance, clientID: kv.Key, ticket: kv.Value})
	}
	ended, err := s.orphan(ctx, records, end)
	more := count.Val() > int64(len(records))
	if err == nil && !more {
		err = s.dropIfEmpty(ctx, instance)
	}
	return ended, more, err
}

// orphan detaches sessions from dead instances whose leases ended at end.
func (s *Store) orphan(ctx context.Context, records []record, end time.Time) ([]session.Ended, error) {
	if len(records) == 0 {
		return nil, nil
	}
	claim, err := s.token()
	if err != nil {
		return nil, err
	}
	t := s.trip()
	replies := make([]*redis.Cmd, len(records))
	for i, r := range records {
		replies[i] = t.run(ctx, s.scripts.orphan, s.keys.sessionParts(r.clientID), r.instance, r.ticket,
			end.UnixMilli(), s.grace.Milliseconds(), claim, session.ClaimTime.Milliseconds())
	}
	_ = t.send(ctx) // every reply carries its own error
	var (
		ended []session.Ended
		later []redis.Z
		done  []record
		errs  errorSet
	)
	for i, cmd := range replies {
		one, err := s.readSwept(records[i].clientID, cmd)
		if err != nil {
			errs.add(err)
			continue
		}
		if one.Over || one.code == codeDetached {
			ended = append(ended, one.Ended)
		}
		if one.due != nil {
			later = append(later, *one.due)
		}
		done = append(done, records[i])
	}
	errs.add(s.moveToDue(ctx, later, done))
	return ended, errs.err()
}

// swept is the answer of orphan.lua or expire.lua.
type swept struct {
	session.Ended
	code uint64
	due  *redis.Z // when to look again, nil = never
}

// score is when to look again as due_move.lua takes it.
func (s *swept) score() string {
	if s.due == nil {
		return ""
	}
	return strconv.FormatInt(int64(s.due.Score), 10)
}

func (s *Store) readSwept(clientID string, cmd *redis.Cmd) (swept, error) {
	one := swept{Ended: session.Ended{ClientID: clientID}}
	r := newReply(cmd)
	one.code = r.uint()
	if r.err != nil {
		return one, r.err
	}
	if one.code == codeFormat {
		return one, session.ErrFormat
	}
	one.Over = one.code == codeDone
	one.due = r.due(clientID)
	var err error
	if one.Subscriptions, err = decodeAll(r.strings(), decodeSubscription); err != nil {
		return one, err
	}
	one.Wills = s.readWills(clientID, r)
	return one, r.err
}

// errorSet keeps the first of many errors, and ErrFormat when it was among them: a sweep of thousands must not answer
// with thousands.
type errorSet struct {
	first  error
	format bool
}

func (e *errorSet) add(err error) {
	if err == nil {
		return
	}
	if errors.Is(err, session.ErrFormat) {
		e.format = true
		return
	}
	if e.first == nil {
		e.first = err
	}
}

func (e *errorSet) err() error {
	if e.format {
		return errors.Join(e.first, session.ErrFormat)
	}
	return e.first
}
