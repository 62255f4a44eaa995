package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/message"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

var (
	_ session.Overview = (*Store)(nil)
	_ registry.Counter = (*Store)(nil)
)

// Leases lists all registered instances in two trips; see session.Overview.
func (s *Store) Leases(ctx context.Context) ([]session.Lease, error) {
	_, found, err := s.leases(ctx)
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	if len(found) == 0 {
		return nil, nil
	}
	t := s.trip()
	sizes := make([]*redis.IntCmd, len(found))
	for i, one := range found {
		sizes[i] = t.pipe.HLen(ctx, s.keys.owned(one.instance))
	}
	if err := t.send(ctx); err != nil {
		return nil, fmt.Errorf("count sessions of instances: %w", err)
	}
	all := make([]session.Lease, len(found))
	for i, one := range found {
		all[i] = session.Lease{Instance: one.instance, Ends: one.end, Live: one.live, Sessions: sizes[i].Val()}
	}
	return all, nil
}

// WaitingWills reads the will in the header and those beside it; see session.Overview.
func (s *Store) WaitingWills(ctx context.Context, clientID string) ([]session.WaitingWill, error) {
	t := s.trip()
	own := t.pipe.HMGet(ctx, s.keys.session(clientID), "w", "wd")
	rest := t.pipe.HGetAll(ctx, s.keys.wills(clientID))
	if err := t.send(ctx); err != nil {
		return nil, fmt.Errorf("read wills: %w", err)
	}
	var all []session.WaitingWill
	if text, ok := own.Val()[0].(string); ok {
		m, err := message.ParseBinary([]byte(text))
		if err != nil {
			return nil, fmt.Errorf("read wills: %w", errors.Join(session.ErrFormat, err))
		}
		delay, _ := own.Val()[1].(string)
		ms, _ := strconv.ParseInt(delay, 10, 64) // absent or malformed: none
		all = append(all, session.WaitingWill{Message: m, Delay: time.Duration(ms) * time.Millisecond, Stage: session.WillConnected})
	}
	parted, err := partedWills(rest.Val())
	if err != nil {
		return nil, fmt.Errorf("read wills: %w", err)
	}
	return append(all, parted...), nil
}

// partedWills reads the hash of wills whose connections are over.
func partedWills(fields map[string]string) ([]session.WaitingWill, error) {
	if len(fields) > 0 && fields["f"] != "1" {
		return nil, session.ErrFormat
	}
	var all []session.WaitingWill
	for name, state := range fields {
		id, ok := strings.CutPrefix(name, "s")
		if !ok {
			continue
		}
		w, err := partedWill(state, fields["m"+id])
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b session.WaitingWill) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.Message.Key, b.Message.Key)
	})
	return all, nil
}

// partedWill reads a state, "kind at claim placed", and its message.
func partedWill(state, text string) (w session.WaitingWill, err error) {
	kind, rest, _ := strings.Cut(state, " ")
	at, _, _ := strings.Cut(rest, " ")
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return w, fmt.Errorf("malformed state of a will: %w", session.ErrFormat)
	}
	w.At = time.UnixMilli(ms)
	switch kind {
	case "d":
		w.Stage = session.WillDelayed
	case "m":
		w.Stage = session.WillMoved
	case "c":
		w.Stage = session.WillClaimed
	default:
		return w, session.ErrFormat
	}
	if w.Message, err = message.ParseBinary([]byte(text)); err != nil {
		return w, errors.Join(session.ErrFormat, err)
	}
	return w, nil
}

// Counts asks for the lengths of hashes; see registry.Counter.
func (s *Store) Counts(ctx context.Context, filters []string) ([]registry.Count, error) {
	if len(filters) == 0 {
		return nil, nil
	}
	t := s.trip()
	lengths := make([]*redis.IntCmd, 0, 2*len(filters))
	for _, f := range filters {
		at := s.keys.slotOf(f)
		lengths = append(lengths, t.pipe.HLen(ctx, at.holders(f)), t.pipe.HLen(ctx, at.groups(f)))
	}
	if err := t.send(ctx); err != nil {
		return nil, fmt.Errorf("count holders: %w", err)
	}
	counts := make([]registry.Count, len(filters))
	for i := range counts {
		counts[i] = registry.Count{Holders: lengths[2*i].Val(), Groups: lengths[2*i+1].Val()}
	}
	return counts, nil
}
