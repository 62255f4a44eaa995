package redisstore_test

import (
	"testing"
	"time"

	"lmqgate/meta/metatest"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/retain"
)

// retained opens a store of retained messages that goes by the clock of the server.
func (s *server) retained(t *testing.T, cfg redisstore.RetainConfig) *redisstore.Retained {
	t.Helper()
	return s.retainedOf(t, s.store(t), cfg)
}

func (s *server) retainedOf(t testing.TB, store *redisstore.Store, cfg redisstore.RetainConfig) *redisstore.Retained {
	t.Helper()
	if s.mini != nil {
		s.mini.ClockTTL(true)
		cfg.Clock = func() time.Time {
			now, err := s.raw.Time(t.Context()).Result()
			if err != nil {
				t.Error(err)
			}
			return now
		}
	}
	r, err := store.Retained(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRetainedContract(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		metatest.Retained(t, func(t *testing.T) *metatest.RetainedBackend {
			on := open(t)
			return &metatest.RetainedBackend{
				Open: func(t *testing.T, l metatest.RetainLimits) retain.Store {
					if l.Payload == 0 {
						l.Payload = 1 << 20
					}
					return on.retained(t, redisstore.RetainConfig{MaxCount: l.Count, MaxPayload: l.Payload})
				},
				Now: on.now, Pass: on.pass,
			}
		})
	})
}
