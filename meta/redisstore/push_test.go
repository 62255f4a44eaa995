package redisstore_test

import (
	"testing"

	"lmqgate/meta/metatest"
	"lmqgate/meta/push"
)

func TestPushesContract(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		metatest.Push(t, func(t *testing.T) *metatest.PushBackend {
			on := open(t)
			return &metatest.PushBackend{Open: func(t *testing.T) push.Store { return on.store(t).Pushes() }, Pass: on.pass}
		})
	})
}

// TestPushesFormat: what another build wrote is left out, and not touched.
func TestPushesFormat(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		if err := on.raw.HSet(t.Context(), on.config.Prefix+"push:{t}", "%rev", "3", "x", `3 L{"v":2,"name":"x"}`).Err(); err != nil {
			t.Fatal(err)
		}
		s := on.store(t).Pushes()
		if _, _, err := s.Get(t.Context(), "x"); err == nil {
			t.Error("a target of another format was read")
		}
		if list, rev, err := s.List(t.Context(), 0); len(list) != 0 || rev != 3 || err != nil {
			t.Errorf("%v, %d, %v", list, rev, err)
		}
	})
}
