// Package redisstore keeps sessions, instances and the filter registry in Redis: single, Sentinel or Cluster.
//
// Every operation is one Lua script per session or registry slot, and every call is one round trip for all its items.
// README.md documents each key; each script documents its arguments.
package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Store implements the interfaces of meta/session and meta/registry. It is safe for concurrent use.
type Store struct {
	client  redis.UniversalClient
	owns    bool // Close closes the client
	keys    keys
	scripts *scripts
	log     *slog.Logger
	random  io.Reader
	grace   time.Duration
	age     time.Duration
	maxLog  int

	mu    sync.Mutex // protects stale and hints
	stale []record   // entries of other instances' lists that Attach made obsolete; Beat removes them
	hints []redis.Z  // entries of due that Attach could not make; Beat does

	id         string                               // of this process, for its counts in the registry
	groupEnd   func(filter string, l registry.Life) // nil: nobody wants to know
	ledger     ledger
	reconciler reconciler
}

var (
	_ session.Store     = (*Store)(nil)
	_ session.Instances = (*Store)(nil)
	_ session.Sweeper   = (*Store)(nil)
	_ session.Words     = (*Store)(nil)
	_ session.Wills     = (*Store)(nil)
	_ session.Viewer    = (*Store)(nil)
	_ registry.Store    = (*Store)(nil)
)

// record is an entry of an instance's list of sessions.
type record struct{ instance, clientID, ticket string }

// Open prepares a store on the Redis that cfg names. It does not connect: commands fail until Redis answers.
func Open(cfg Config) (*Store, error) {
	options, err := cfg.options()
	if err != nil {
		return nil, fmt.Errorf("open redis store: %w", err)
	}
	client := redis.NewUniversalClient(options)
	s, err := New(client, cfg)
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	s.owns = true
	return s, nil
}

// New makes a store on a client that the caller keeps and closes. Of cfg it ignores what concerns the connection.
func New(client redis.UniversalClient, cfg Config) (*Store, error) {
	if strings.ContainsAny(cfg.Prefix, "{}") {
		return nil, fmt.Errorf("open redis store: prefix %q: braces would move the hash tags", cfg.Prefix)
	}
	s := &Store{
		client: client, keys: keys{cfg.Prefix}, scripts: loadScripts(), log: cfg.Logger, random: cfg.Rand,
		grace: cfg.Grace, age: cfg.ReconcileAge, maxLog: cfg.MaxLog,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.random == nil {
		s.random = rand.Reader
	}
	if s.grace <= 0 {
		s.grace = defaultGrace
	}
	if s.age <= 0 {
		s.age = defaultReconcileAge
	}
	if s.maxLog <= 0 {
		s.maxLog = defaultMaxLog
	}
	var err error
	if s.id, err = s.token(); err != nil {
		return nil, fmt.Errorf("open redis store: %w", err)
	}
	hook, err := newMetrics(cfg.Registerer, s.scripts)
	if err != nil {
		return nil, fmt.Errorf("open redis store: %w", err)
	}
	client.AddHook(hook)
	return s, nil
}

// Ping asks Redis for a sign of life; on a cluster every master.
func (s *Store) Ping(ctx context.Context) error {
	err := s.eachMaster(ctx, func(ctx context.Context, node redis.Cmdable) error { return node.Ping(ctx).Err() })
	if err != nil {
		return fmt.Errorf("ping redis: %w", err)
	}
	return nil
}

// Close ends the connections of a store that Open made.
func (s *Store) Close() error {
	if !s.owns {
		return nil
	}
	if err := s.client.Close(); err != nil {
		return fmt.Errorf("close redis store: %w", err)
	}
	return nil
}

// Now is the clock of Redis, the one that expiry and leases go by.
func (s *Store) Now(ctx context.Context) (time.Time, error) {
	t := s.trip()
	reply := t.run(ctx, s.scripts.instLease, []string{s.keys.instances()}, "")
	if err := t.send(ctx); err != nil {
		return time.Time{}, fmt.Errorf("read redis time: %w", err)
	}
	now, _, err := lease(reply)
	return now, err
}

// eachMaster calls fn for every master, at once on a cluster.
func (s *Store) eachMaster(ctx context.Context, fn func(context.Context, redis.Cmdable) error) error {
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		return cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error { return fn(ctx, node) })
	}
	return fn(ctx, s.client)
}

// token returns 128 random bits as text.
func (s *Store) token() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(s.random, b[:]); err != nil {
		return "", fmt.Errorf("read randomness: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}
