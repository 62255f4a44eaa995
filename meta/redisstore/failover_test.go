package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/metatest"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// TestUnknownScripts: after a restart, a failover or SCRIPT FLUSH every call works at once, pipelines included.
func TestUnknownScripts(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		s, ctx := on.store(t), t.Context()
		flush := func() {
			t.Helper()
			if c, ok := on.raw.(*redis.ClusterClient); ok {
				if err := c.ForEachMaster(ctx, func(ctx context.Context, n *redis.Client) error { return n.ScriptFlush(ctx).Err() }); err != nil {
					t.Fatal(err)
				}
			} else if err := on.raw.ScriptFlush(ctx).Err(); err != nil {
				t.Fatal(err)
			}
		}
		var changes []session.Change
		for i := range 20 {
			id := fmt.Sprint("c", i)
			flush()
			st, err := s.Attach(ctx, session.AttachRequest{ClientID: id, Instance: "i1", Expiry: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			changes = append(changes, session.Change{ClientID: id, Epoch: st.Epoch + session.Epoch(i%2), SetIn: []session.Inbound{{PacketID: 1}}})
		}
		flush()
		for i, err := range s.Write(ctx, changes) {
			if (i%2 == 1) != errors.Is(err, session.ErrFenced) || (i%2 == 0 && err != nil) {
				t.Errorf("change %d: %v", i, err)
			}
		}
		flush()
		var holds []registry.Hold
		for i := range 20 {
			holds = append(holds, registry.Hold{Filter: fmt.Sprint("x", i), ClientID: "c", Epoch: 1, Seq: 1}, registry.Hold{Filter: fmt.Sprint("w/+/", i), ClientID: "c", Epoch: 1, Seq: 1})
		}
		if err := s.Hold(ctx, holds); err != nil {
			t.Fatal(err)
		}
		flush()
		up, held, err := s.Check(ctx, registry.Position{}, []string{"x1", "x2", "none"})
		if err != nil || len(up.Entries) != 20 || !held[0] || !held[1] || held[2] {
			t.Errorf("check: %v, %+v, %v", err, up, held)
		}
	})
}

// TestRestart: without Redis calls fail; when it is back they work, and a listener hears again.
func TestRestart(t *testing.T) {
	on := openMini(t)
	on.config.PoolSize = 1000 // go-redis pauses for a second after as many failed dials
	s, ctx := on.store(t), t.Context()
	l := metatest.Listen(t, s, "i1")
	if err := s.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	on.mini.Close()
	if err := s.Ping(ctx); err == nil {
		t.Error("ping answers without a server")
	}
	if _, err := s.Attach(ctx, session.AttachRequest{ClientID: "c", Instance: "i1"}); err == nil {
		t.Error("attached without a server")
	}
	errs := s.Write(ctx, []session.Change{{ClientID: "c", Epoch: 1, DropIn: []uint16{1}}, {}})
	if errs[0] == nil || errors.Is(errs[0], session.ErrFenced) || errs[1] != nil {
		t.Errorf("write without a server: %v", errs)
	}
	if _, _, err := s.Check(ctx, registry.Position{}, []string{"a"}); err == nil {
		t.Error("checked without a server")
	}
	if err := on.mini.Restart(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Attach(ctx, session.AttachRequest{ClientID: "c", Instance: "i1"}); err != nil {
		t.Errorf("after the restart: %v", err)
	}
	l.Hear(t, s, "i1")
	l.Stop(t)
}

// TestOpenWithoutRedis: a store can be made before its Redis is there.
func TestOpenWithoutRedis(t *testing.T) {
	on := openMini(t)
	on.mini.Close()
	if err := on.store(t).Ping(t.Context()); err == nil {
		t.Error("ping answers without a server")
	}
}

// TestRepeatedAttach: when the answer of an Attach is lost and go-redis sends it again, the second answer names the
// previous owner too.
func TestRepeatedAttach(t *testing.T) {
	on := openMini(t)
	s, ctx := on.store(t), t.Context()
	first, err := s.Attach(ctx, session.AttachRequest{ClientID: "c", Instance: "i1", Expiry: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	again := &resender{}
	client := redis.NewClient(&redis.Options{Addr: on.mini.Addr(), Protocol: 2})
	t.Cleanup(func() { _ = client.Close() })
	client.AddHook(again)
	s = newStore(t, client, on.config)
	st, err := s.Attach(ctx, session.AttachRequest{ClientID: "c", Instance: "i2", Expiry: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if st.Previous == nil || *st.Previous != (session.Owner{Instance: "i1", Epoch: first.Epoch}) || !st.Present || again.n == 0 {
		t.Errorf("second answer: %+v", st)
	}
	if err := s.Write(ctx, []session.Change{{ClientID: "c", Epoch: st.Epoch, SetIn: []session.Inbound{{PacketID: 1}}}})[0]; err != nil {
		t.Error(err)
	}
}

// resender sends every pipeline twice.
type resender struct {
	counter
	n int
}

func (r *resender) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (r *resender) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if err := next(ctx, cmds); err != nil {
			return err
		}
		r.n++
		return next(ctx, cmds)
	}
}
