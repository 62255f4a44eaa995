package redisstore

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"lmqgate/meta/status"
)

//go:embed lua/status_all.lua
var statusAllSource string

//go:embed lua/status_report.lua
var statusReportSource string

func (k keys) status() string { return k.prefix + "status" }

// Status implements status.Peers on the Redis of a Store. It is safe for concurrent use.
type Status struct {
	store       *Store
	all, report script
}

var _ status.Peers = (*Status)(nil)

// Status makes the store of instances' figures.
func (s *Store) Status() *Status {
	return &Status{store: s, all: s.scripts.statusAll, report: s.scripts.statusReport}
}

// Report stores the figures of an instance; see status.Peers.
func (s *Status) Report(ctx context.Context, f status.Figures, ttl time.Duration) error {
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("report status: %w", err)
	}
	t := s.store.trip()
	t.run(ctx, s.report, []string{s.store.keys.status()}, f.Instance, millis(ttl), text)
	if err := t.send(ctx); err != nil {
		return fmt.Errorf("report status: %w", err)
	}
	return nil
}

// All returns the figures of all instances; see status.Peers. It leaves out what it cannot read.
func (s *Status) All(ctx context.Context) ([]status.Figures, error) {
	t := s.store.trip()
	cmd := t.run(ctx, s.all, []string{s.store.keys.status()})
	if err := t.send(ctx); err != nil {
		return nil, fmt.Errorf("list status: %w", err)
	}
	r := newReply(cmd)
	var all []status.Figures
	for r.err == nil && len(r.items) > 0 {
		instance, text := r.string(), r.string()
		var f status.Figures
		if err := json.Unmarshal([]byte(text), &f); err != nil {
			s.store.log.Warn("status of an instance ignored", "instance", instance, "error", err)
			continue
		}
		f.Instance = instance
		all = append(all, f)
	}
	if r.err != nil {
		return nil, fmt.Errorf("list status: %w", r.err)
	}
	slices.SortFunc(all, func(a, b status.Figures) int { return strings.Compare(a.Instance, b.Instance) })
	return all, nil
}

// Forget removes the figures of an instance; see status.Peers.
func (s *Status) Forget(ctx context.Context, instance string) error {
	if err := s.store.client.HDel(ctx, s.store.keys.status(), instance).Err(); err != nil {
		return fmt.Errorf("forget status: %w", err)
	}
	return nil
}
