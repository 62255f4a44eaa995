package gateway

import (
	"context"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// failpoint kills this process at a chosen moment, for crash tests: `name:n` at the n-th passing of the point called
// name, `any:n` at the n-th passing of any. Points are redis.before and redis.after every command or pipeline that may
// write, and those of package dispatch around every send. Without a value it does nothing.
type failpoint struct {
	name string
	left atomic.Int64
}

func newFailpoint(spec string) *failpoint {
	name, n, _ := strings.Cut(spec, ":")
	f := &failpoint{name: name}
	left, err := strconv.ParseInt(n, 10, 64)
	if err != nil || left <= 0 {
		left = 1 + rand.Int64N(100)
	}
	f.left.Store(left)
	return f
}

func (f *failpoint) armed() bool { return f.name != "" }

// hook is hit for package dispatch, nil when nothing is to happen.
func (f *failpoint) hook() func(string) {
	if !f.armed() {
		return nil
	}
	return f.hit
}

// hit passes a point; it does not return at the chosen one.
func (f *failpoint) hit(name string) {
	if f.name == "" || f.name != "any" && f.name != name {
		return
	}
	if f.left.Add(-1) == 0 {
		p, err := os.FindProcess(os.Getpid())
		if err == nil {
			_ = p.Kill() // SIGKILL: nothing is flushed, nobody is told
		}
		select {}
	}
}

// redisFailpoints passes points around every Redis command.
type redisFailpoints struct{ f *failpoint }

func (h redisFailpoints) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (h redisFailpoints) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.f.hit("redis.before")
		err := next(ctx, cmd)
		h.f.hit("redis.after")
		return err
	}
}

func (h redisFailpoints) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.f.hit("redis.before")
		err := next(ctx, cmds)
		h.f.hit("redis.after")
		return err
	}
}
