package redisstore_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/redisstore"
)

var errCrashed = errors.New("crashed")

// counter is a hook that counts commands and round trips, and lets only so many commands through: the rest fail unsent,
// as if the process had died between two commands.
type counter struct {
	mu       sync.Mutex // protects all fields
	commands int
	trips    int
	left     int // commands that still go through; negative = all
}

func (c *counter) limit(left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = left
}

// take reports how many of n commands go through.
func (c *counter) take(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left >= 0 {
		n = min(n, c.left)
		c.left -= n
	}
	c.commands += n
	c.trips++
	return n
}

func (c *counter) counts() (commands, trips int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.commands, c.trips
}

func (c *counter) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (c *counter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if c.take(1) == 0 {
			cmd.SetErr(errCrashed)
			return errCrashed
		}
		return next(ctx, cmd)
	}
}

func (c *counter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		n := c.take(len(cmds))
		var err error
		if n > 0 {
			err = next(ctx, cmds[:n])
		}
		for _, cmd := range cmds[n:] {
			cmd.SetErr(errCrashed)
			err = errCrashed
		}
		return err
	}
}

// counted opens a store whose commands are counted. The scripts are loaded.
func (s *server) counted(t testing.TB) (*redisstore.Store, *counter) {
	t.Helper()
	hosts := s.raw
	var client redis.UniversalClient
	switch c := hosts.(type) {
	case *redis.ClusterClient:
		client = redis.NewClusterClient(c.Options())
	case *redis.Client:
		client = redis.NewClient(c.Options())
	}
	t.Cleanup(func() { _ = client.Close() })
	c := &counter{left: -1}
	client.AddHook(c)
	return newStore(t, client, s.config), c
}

func newStore(t testing.TB, client redis.UniversalClient, config redisstore.Config) *redisstore.Store {
	t.Helper()
	store, err := redisstore.New(client, config)
	if err != nil {
		t.Fatal(err)
	}
	return store
}
