package dispatch

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/meta/message"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/retain"
)

const realRedis = "LMQGATE_TEST_REDIS"

// TestRetainInRedis: what is published on many lanes at once is what the store has then.
func TestRetainInRedis(t *testing.T) {
	t.Run("miniredis", func(t *testing.T) {
		retainInRedis(t, redisstore.Config{URL: "redis://" + miniredis.RunT(t).Addr(), Prefix: "p:"})
	})
	t.Run("single", func(t *testing.T) {
		url := os.Getenv(realRedis)
		if url == "" {
			t.Skipf("%s is not set; it takes redis://host:port", realRedis)
		}
		var b [6]byte
		_, _ = rand.Read(b[:])
		retainInRedis(t, redisstore.Config{URL: url, Prefix: "lmqgate-test-" + hex.EncodeToString(b[:]) + ":"})
	})
}

func retainInRedis(t *testing.T, cfg redisstore.Config) {
	const lanes, limit = 200, 150
	store, err := redisstore.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	kept, err := store.Retained(redisstore.RetainConfig{MaxCount: limit})
	if err != nil {
		t.Fatal(err)
	}
	d := New(&fakeMatcher{}, &fakeProducer{t: t}, Config{Retainer: kept})
	publish := func(payload string) (limited int) {
		var dones []chan result
		for n := range lanes {
			dones = append(dones, put(d.NewLane(), fmt.Sprintf("r%d/%d", n%5, n), payload, 1, retained))
		}
		for _, done := range dones {
			switch r := <-done; {
			case errors.Is(r.err, message.ErrNotRetained) && errors.Is(r.err, retain.ErrLimit):
				limited++
			case r.err != nil:
				t.Error(r.err)
			}
		}
		return limited
	}
	count := func(want int64) {
		t.Helper()
		if n, err := kept.Count(t.Context()); err != nil || n != want {
			t.Errorf("%d kept, %v, want %d", n, err, want)
		}
	}
	for _, payload := range []string{"1", "2"} {
		if n := publish(payload); n != lanes-limit {
			t.Errorf("%d beyond the limit", n)
		}
		count(limit)
		found, next, err := kept.Match(t.Context(), "r3/+", "", 1000)
		if err != nil || next != "" || len(found) == 0 {
			t.Fatalf("found %d, next %q, %v", len(found), next, err)
		}
		for _, m := range found {
			if string(m.Payload) != payload || m.Key == "" || m.QoS != 1 {
				t.Errorf("found %+v", m)
			}
		}
	}
	if n := publish(""); n != 0 {
		t.Errorf("%d removals beyond the limit", n)
	}
	count(0)
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
