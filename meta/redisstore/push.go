package redisstore

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/push"
)

//go:embed lua/push.lua
var pushSource string

func (k keys) pushTargets() string { return k.prefix + "push:{t}" }
func (k keys) pushStates() string  { return k.prefix + "push:{t}:s" }

// Pushes keeps push targets. It implements push.Store.
type Pushes struct{ s *Store }

var _ push.Store = Pushes{}

// Pushes returns the store of push targets.
func (s *Store) Pushes() Pushes { return Pushes{s} }

func (p Pushes) call(ctx context.Context, args ...any) ([]any, error) {
	t := p.s.trip()
	cmd := t.run(ctx, p.s.scripts.push, []string{p.s.keys.pushTargets(), p.s.keys.pushStates()}, args...)
	if err := t.send(ctx); err != nil {
		return nil, fmt.Errorf("push targets: %w", err)
	}
	items, err := cmd.Slice()
	if err != nil || len(items) == 0 {
		return nil, fmt.Errorf("push targets: %v, %w", items, err)
	}
	switch items[0] {
	case "absent":
		return nil, push.ErrNotFound
	case "changed":
		return nil, push.ErrChanged
	case "many":
		return nil, push.ErrTooMany
	}
	return items, nil
}

// Put implements push.Store.
func (p Pushes) Put(ctx context.Context, t push.Target, expect push.Expect, most int) (int64, error) {
	text, err := t.Encode()
	if err != nil {
		return 0, fmt.Errorf("push target: %w", err)
	}
	want, mark := strconv.FormatInt(expect.Rev, 10), "L"
	switch {
	case expect.Any:
		want = "any"
	case expect.Exists:
		want = "exists"
	case expect.Rev == 0:
		want = "none"
	}
	if t.Deleted {
		mark = "D"
	}
	items, err := p.call(ctx, "put", t.Name, text, want, most, mark)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(fmt.Sprint(items[1]), 10, 64)
}

// Remove implements push.Store.
func (p Pushes) Remove(ctx context.Context, name string, rev int64) error {
	_, err := p.call(ctx, "remove", name, rev)
	return err
}

// Get implements push.Store.
func (p Pushes) Get(ctx context.Context, name string) (push.Target, push.State, error) {
	items, err := p.call(ctx, "get", name)
	if err != nil {
		return push.Target{}, push.State{}, err
	}
	t, err := decodeTarget(fmt.Sprint(items[1]))
	if err != nil {
		return push.Target{}, push.State{}, fmt.Errorf("push target %s: %w", name, err)
	}
	s := decodeState(fmt.Sprint(items[2]))
	s.Delivered, s.Failed, s.Dead = number(items[3]), number(items[4]), number(items[5])
	return t, s, nil
}

// List implements push.Store. It leaves out what another version of the gateway wrote.
func (p Pushes) List(ctx context.Context, seen int64) ([]push.Target, int64, error) {
	items, err := p.call(ctx, "list", seen)
	if err != nil {
		return nil, seen, err
	}
	if items[0] == "same" {
		return nil, seen, nil
	}
	list := []push.Target{}
	for name, text := range pairs(items[2]) {
		if name == "%rev" {
			continue
		}
		t, err := decodeTarget(text)
		if err != nil {
			p.s.log.Warn("push target ignored", "target", name, "error", err)
			continue
		}
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b push.Target) int { return strings.Compare(a.Name, b.Name) })
	return list, number(items[1]), nil
}

// States implements push.Store.
func (p Pushes) States(ctx context.Context) (map[string]push.State, error) {
	items, err := p.call(ctx, "states")
	if err != nil {
		return nil, err
	}
	all, states := pairs(items[1]), make(map[string]push.State)
	for field, text := range all {
		if name, _, count := strings.Cut(field, " "); !count {
			s := decodeState(text)
			s.Delivered, s.Failed, s.Dead = number(all[name+" d"]), number(all[name+" f"]), number(all[name+" x"])
			states[name] = s
		}
	}
	return states, nil
}

// Report implements push.Store.
func (p Pushes) Report(ctx context.Context, name string, s push.State) error {
	delivered, failed, dead := s.Delivered, s.Failed, s.Dead
	s.Delivered, s.Failed, s.Dead = 0, 0, 0
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("push state: %w", err)
	}
	stopped := 0
	if s.Stopped != "" {
		stopped = 1
	}
	_, err = p.call(ctx, "report", name, s.Rev, text, stopped, delivered, failed, dead)
	return err
}

// Lease implements push.Store.
func (p Pushes) Lease(ctx context.Context, names []string, owner string, ttl time.Duration) ([]bool, error) {
	if len(names) == 0 {
		return nil, nil
	}
	t := p.s.trip()
	asked := make([]*redis.Cmd, len(names))
	for i, name := range names {
		asked[i] = t.run(ctx, p.s.scripts.lease, []string{p.s.keys.lease("push:" + name)}, owner, ttl.Milliseconds())
	}
	if err := t.send(ctx); err != nil {
		return nil, fmt.Errorf("leases of push targets: %w", err)
	}
	mine := make([]bool, len(names))
	for i, cmd := range asked {
		n, err := cmd.Int()
		if err != nil {
			return nil, fmt.Errorf("leases of push targets: %w", err)
		}
		mine[i] = n == 1
	}
	return mine, nil
}

// decodeTarget reads "<revision> <mark><JSON>".
func decodeTarget(text string) (push.Target, error) {
	rev, rest, ok := strings.Cut(text, " ")
	n, err := strconv.ParseInt(rev, 10, 64)
	if !ok || err != nil || len(rest) == 0 {
		return push.Target{}, fmt.Errorf("malformed: %.40q", text)
	}
	t, err := push.Decode([]byte(rest[1:]))
	t.Rev, t.Deleted = n, rest[0] == 'D'
	return t, err
}

// decodeState reads "<revision> <stopped> <JSON>"; what cannot be read counts as nothing.
func decodeState(text string) (s push.State) {
	if parts := strings.SplitN(text, " ", 3); len(parts) == 3 {
		_ = json.Unmarshal([]byte(parts[2]), &s)
	}
	return s
}

func number(v any) int64 {
	n, _ := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	return n
}

// pairs are the fields of an HGETALL within a script's answer.
func pairs(v any) map[string]string {
	list, _ := v.([]any)
	m := make(map[string]string, len(list)/2)
	for i := 0; i+1 < len(list); i += 2 {
		m[fmt.Sprint(list[i])] = fmt.Sprint(list[i+1])
	}
	return m
}
