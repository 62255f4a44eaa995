package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/session"
)

const (
	// maxStale bounds each list of what Beat does later; beyond it, it waits for Reconcile.
	maxStale = 10_000
	// maxWills is how many wills of one client id may wait to be published before it cannot attach with another.
	maxWills = 100
)

// Attach makes the caller the owner of the client id. The session is recorded with its instance first, so that the
// sweep of a dead instance finds it wherever a crash strikes; a record without a session is dropped by that sweep.
func (s *Store) Attach(ctx context.Context, r session.AttachRequest) (session.State, error) {
	ticket, err := s.token()
	if err != nil {
		return session.State{}, fmt.Errorf("attach session: %w", err)
	}
	t := s.trip()
	owned := t.pipe.HSet(ctx, s.keys.owned(r.Instance), r.ClientID, ticketValue(ticket))
	reply := t.run(ctx, s.scripts.attach, s.keys.sessionParts(r.ClientID), r.Instance, ticketValue(ticket),
		flag(r.CleanStart), millis(r.Expiry), int(r.Protocol), r.Username, r.Address, encodeWill(r.Will), willDelay(r.Will),
		session.ClaimTime.Milliseconds(), maxWills, max(r.Takeovers, 0), session.TakeoverCool.Milliseconds(),
		session.TakeoverWait.Milliseconds(), session.TakeoverWaitMax.Milliseconds(), belongsTo(r))
	if err := t.send(ctx); err != nil {
		return session.State{}, fmt.Errorf("attach session: %w", err)
	}
	if err := owned.Err(); err != nil {
		return session.State{}, fmt.Errorf("attach session: %w", err)
	}
	st, previous, due, err := s.readAttached(r.ClientID, newReply(reply))
	if refused(err) {
		s.unrecord(ctx, record{instance: r.Instance, clientID: r.ClientID, ticket: ticketValue(ticket)}, previous)
	}
	if err != nil {
		return session.State{}, fmt.Errorf("attach session: %w", err)
	}
	if due != nil {
		s.hint(ctx, *due)
	}
	if previous.instance != "" && previous.instance != r.Instance {
		s.outdated(previous)
	}
	return st, nil
}

// refused reports whether the script turned an Attach down without a fault: the session is as it was.
func refused(err error) bool {
	var f *session.Flapping
	return errors.Is(err, session.ErrWills) || errors.Is(err, session.ErrForeign) || errors.As(err, &f)
}

// readHolder reads who has a session whose Attach was refused; the instance is empty if nobody has.
func readHolder(clientID string, r *reply) record {
	return record{clientID: clientID, instance: r.string(), ticket: r.string()}
}

// unrecord takes a refused session off the list of its instance, or puts back what was recorded there of the connection
// that it goes on with. Should that fail, the entry is one that the sweep and Reconcile know how to read.
func (s *Store) unrecord(ctx context.Context, refused, holder record) {
	t := s.trip()
	if holder.instance == refused.instance {
		t.pipe.HSet(ctx, s.keys.owned(holder.instance), holder.clientID, holder.ticket)
	} else {
		s.forget(ctx, t, []record{refused})
	}
	_ = t.send(ctx)
}

// belongsTo is whom a session belongs to, as it is stored.
func belongsTo(r session.AttachRequest) string {
	switch {
	case r.AnyHolder:
		return "*"
	case r.Holder != "":
		return "=" + r.Holder
	}
	return ""
}

// ticketValue is how a ticket is stored: format, dot, token.
func ticketValue(token string) string { return "1." + token }

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// millis is a duration in whole milliseconds, rounded up so that only zero is zero.
func millis(d time.Duration) string {
	if d <= 0 {
		return "0"
	}
	return strconv.FormatInt(int64((d+time.Millisecond-1)/time.Millisecond), 10)
}

// readAttached reads the answer of attach.lua; the entry of due is nil unless there are wills to publish.
func (s *Store) readAttached(clientID string, r *reply) (session.State, record, *redis.Z, error) {
	st := session.State{ClientID: clientID}
	switch code := r.uint(); {
	case r.err != nil:
		return st, record{}, nil, r.err
	case code == codeTooMany:
		return st, readHolder(clientID, r), nil, session.ErrWills
	case code == codeForeign:
		return st, readHolder(clientID, r), nil, session.ErrForeign
	case code == codeTooSoon:
		holder := readHolder(clientID, r)
		f := &session.Flapping{Wait: time.Duration(r.uint()) * time.Millisecond, Takeovers: int(r.uint())}
		f.Holder = session.Owner{Instance: holder.instance, Epoch: session.Epoch(r.uint())}
		f.Address = r.string()
		if r.err != nil {
			return st, holder, nil, r.err
		}
		return st, holder, nil, f
	case code != codeDone:
		return st, record{}, nil, codeError(code)
	}
	st.Epoch = session.Epoch(r.uint())
	st.Present = r.uint() == 1
	previous := record{instance: r.string(), clientID: clientID}
	epoch := r.optional()
	previous.ticket = r.string()
	if previous.instance != "" {
		st.Previous = &session.Owner{Instance: previous.instance, Epoch: session.Epoch(epoch)}
	}
	st.PacketIDs = r.uint()
	if err := readContent(&st, r); err != nil {
		return st, record{}, nil, err
	}
	var err error
	if st.Discarded, err = decodeAll(r.strings(), decodeSubscription); err != nil {
		return st, record{}, nil, err
	}
	due := r.due(clientID)
	st.Wills = s.readWills(clientID, r)
	return st, previous, due, r.err
}

// readContent reads sub, cur, out, in.
func readContent(st *session.State, r *reply) (err error) {
	if st.Subscriptions, err = decodeAll(r.strings(), decodeSubscription); err != nil {
		return err
	}
	if st.Cursors, err = decodeAll(r.strings(), decodeCursor); err != nil {
		return err
	}
	if st.Out, err = decodeAll(r.strings(), decodeOutbound); err != nil {
		return err
	}
	if st.In, err = decodeAll(r.strings(), decodeInbound); err != nil {
		return err
	}
	slices.SortFunc(st.Out, func(a, b session.Outbound) int {
		switch {
		case a.Order < b.Order:
			return -1
		case a.Order > b.Order:
			return 1
		}
		return 0
	})
	st.NextSeq, st.NextOrder = 1, 1
	for i := range st.Subscriptions {
		st.NextSeq = max(st.NextSeq, st.Subscriptions[i].Seq+1)
	}
	for i := range st.Out {
		st.NextOrder = max(st.NextOrder, st.Out[i].Order+1)
	}
	return nil
}

func decodeAll[T any](values []string, decode func(string) (T, error)) ([]T, error) {
	if len(values) == 0 {
		return nil, nil
	}
	all := make([]T, len(values))
	for i, v := range values {
		var err error
		if all[i], err = decode(v); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// outdated remembers that an instance's list names a session which it has lost.
func (s *Store) outdated(r record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stale) < maxStale {
		s.stale = append(s.stale, r)
	}
}
