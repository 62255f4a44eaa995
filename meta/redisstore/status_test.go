package redisstore_test

import (
	"bytes"
	"testing"
	"time"

	"lmqgate/meta/metatest"
	"lmqgate/meta/status"
)

func TestStatusContract(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		metatest.Status(t, func(t *testing.T) *metatest.StatusBackend {
			on := open(t)
			return &metatest.StatusBackend{
				Open: func(t *testing.T) status.Peers { return on.store(t).Status() }, Pass: on.pass,
			}
		})
	})
}

// TestStatusFormat: what another build wrote is neither read nor removed, what is over leaves Redis with the next report.
func TestStatusFormat(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		p, ctx, key := on.store(t).Status(), t.Context(), on.config.Prefix+"status"
		for name, value := range map[string]string{"new": "21 {}", "odd": "1", "broken": "199999999999999 {", "over": "11 {}"} {
			if err := on.raw.HSet(ctx, key, name, value).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Report(ctx, status.Figures{Instance: "a"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		if all, err := p.All(ctx); err != nil || len(all) != 1 || all[0].Instance != "a" {
			t.Errorf("all: %+v, %v", all, err)
		}
		left := on.raw.HGetAll(ctx, key).Val()
		if len(left) != 4 || left["new"] != "21 {}" || left["odd"] != "1" || left["over"] != "" {
			t.Errorf("left: %q", left)
		}
		if ttl := on.raw.PTTL(ctx, key).Val(); ttl < 23*time.Hour || ttl > 24*time.Hour {
			t.Errorf("the key stays for %v", ttl)
		}
	})
}

func TestSeed(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		get := func(name string) []byte {
			t.Helper()
			seed, err := on.store(t).Seed(t.Context(), name)
			if err != nil || len(seed) != 32 {
				t.Fatalf("seed: %x, %v", seed, err)
			}
			return seed
		}
		a := get("a")
		if !bytes.Equal(a, get("a")) || bytes.Equal(a, get("b")) {
			t.Errorf("seeds differ, or not: %x %x %x", a, get("a"), get("b"))
		}
		if err := on.raw.Set(t.Context(), on.config.Prefix+"seed:a", "\x02", 0).Err(); err != nil {
			t.Fatal(err)
		}
		if seed, err := on.store(t).Seed(t.Context(), "a"); err == nil {
			t.Errorf("of another format: %x", seed)
		}
	})
}
