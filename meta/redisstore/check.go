package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Answers of check.lua beside codeDone and codeFormat.
const (
	codeReload     = 3
	codeRolledBack = 4
)

// Check asks for the change log after pos and for the exact filters in one pipeline; see registry.Store.
func (s *Store) Check(ctx context.Context, pos registry.Position, exact []string) (registry.Update, []bool, error) {
	up, held, err := s.check(ctx, pos, exact)
	if err != nil {
		return registry.Update{}, nil, fmt.Errorf("check filters: %w", err)
	}
	return up, held, nil
}

func (s *Store) check(ctx context.Context, pos registry.Position, exact []string) (registry.Update, []bool, error) {
	t := s.trip()
	wild := s.keys.wildcards()
	log := t.run(ctx, s.scripts.check, []string{wild.head, wild.log()}, pos.Version, pos.Token)
	asked := s.ask(ctx, t, exact)
	counts := s.audit(ctx, t)
	if err := t.send(ctx); err != nil {
		return registry.Update{}, nil, err
	}
	up, err := readUpdate(newReply(log), pos)
	if err != nil {
		return up, nil, err
	}
	lost, err := s.ledger.settle(counts)
	if err != nil {
		return up, nil, err
	}
	if lost {
		up = registry.Update{To: up.To, Reload: true, RolledBack: true}
	}
	held := make([]bool, len(exact))
	for _, q := range asked {
		answers, err := q.reply.Result()
		if err != nil {
			return up, nil, err
		}
		if len(answers) != len(q.index) {
			return up, nil, fmt.Errorf("%d answers to %d filters", len(answers), len(q.index))
		}
		for i, yes := range answers {
			held[q.index[i]] = yes
		}
	}
	return up, held, nil
}

// question asks one slot which filters are held; index says where the answers belong.
type question struct {
	index []int
	reply *redis.BoolSliceCmd
}

// ask adds one command for each slot that the filters are in.
func (s *Store) ask(ctx context.Context, t *trip, filters []string) []question {
	index := make(map[slot][]int)
	for i, f := range filters {
		at := s.keys.slotOf(f)
		index[at] = append(index[at], i)
	}
	asked := make([]question, 0, len(index))
	for at, list := range index {
		members := make([]any, len(list))
		for i, j := range list {
			members[i] = filters[j]
		}
		asked = append(asked, question{index: list, reply: t.pipe.SMIsMember(ctx, at.set(), members...)})
	}
	return asked
}

// readUpdate reads the answer of check.lua and checks that the entries continue each other.
func readUpdate(r *reply, pos registry.Position) (registry.Update, error) {
	code := r.uint()
	if r.err == nil && code == codeFormat {
		return registry.Update{}, session.ErrFormat
	}
	up := registry.Update{To: registry.Position{Version: r.uint(), Token: r.string()}}
	switch {
	case r.err != nil:
		return up, r.err
	case code == codeReload:
		up.Reload = true
		return up, nil
	case code == codeRolledBack:
		up.Reload, up.RolledBack = true, true
		return up, nil
	}
	entries := r.strings()
	if r.err != nil {
		return up, r.err
	}
	for _, text := range entries {
		e, next, previous, err := parseEntry(text)
		if err != nil {
			return up, err
		}
		if next.Version != pos.Version+1 || previous != pos.Token {
			return registry.Update{To: up.To, Reload: true, RolledBack: true}, nil
		}
		up.Entries = append(up.Entries, e)
		pos = next
	}
	if pos != up.To {
		return registry.Update{To: up.To, Reload: true, RolledBack: true}, nil
	}
	return up, nil
}

// parseCount reads how many hold scripts Redis knows of; "" is none.
func parseCount(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("malformed count: %w", session.ErrFormat)
	}
	return n, nil
}

// parseEntry reads an entry of the change log: "1 version token previous-token ±filter"; "-" is no token.
func parseEntry(text string) (e registry.Entry, at registry.Position, previous string, err error) {
	parts := strings.SplitN(text, " ", 5)
	if parts[0] != "1" {
		return e, at, "", session.ErrFormat
	}
	if len(parts) != 5 || parts[4] == "" {
		return e, at, "", fmt.Errorf("malformed log entry: %w", session.ErrFormat)
	}
	at.Version, err = strconv.ParseUint(parts[1], 10, 64)
	if err != nil {
		return e, at, "", fmt.Errorf("malformed log entry: %w", session.ErrFormat)
	}
	at.Token = parts[2]
	if previous = parts[3]; previous == "-" {
		previous = ""
	}
	switch parts[4][0] {
	case '+':
		e.Added = true
	case '-':
	default:
		return e, at, "", fmt.Errorf("malformed log entry: %w", session.ErrFormat)
	}
	e.Filter = parts[4][1:]
	return e, at, previous, nil
}

// Snapshot returns all held wildcard filters and the position they stand for.
func (s *Store) Snapshot(ctx context.Context) (registry.Position, []string, error) {
	t := s.trip()
	wild := s.keys.wildcards()
	cmd := t.run(ctx, s.scripts.snapshot, []string{wild.head, wild.set()})
	if err := t.send(ctx); err != nil {
		return registry.Position{}, nil, fmt.Errorf("read held filters: %w", err)
	}
	r := newReply(cmd)
	if err := r.code(); err != nil {
		return registry.Position{}, nil, fmt.Errorf("read held filters: %w", err)
	}
	pos := registry.Position{Version: r.uint(), Token: r.string()}
	filters := r.strings()
	if r.err != nil {
		return registry.Position{}, nil, fmt.Errorf("read held filters: %w", r.err)
	}
	return pos, filters, nil
}
