package redisstore_test

import (
	"testing"

	"lmqgate/meta/idem"
	"lmqgate/meta/metatest"
)

func TestRequestsContract(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		metatest.Idem(t, func(t *testing.T) *metatest.IdemBackend {
			on := open(t)
			return &metatest.IdemBackend{Open: func(t *testing.T) idem.Store { return on.store(t).Requests() }, Pass: on.pass}
		})
	})
}

// TestRequestsFormat: what another build wrote is not touched.
func TestRequestsFormat(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		if err := on.raw.HSet(t.Context(), on.config.Prefix+"idem:n", "f", "2").Err(); err != nil {
			t.Fatal(err)
		}
		if a, err := on.store(t).Requests().Begin(t.Context(), "n", "h", 1e9, 1e12); err == nil {
			t.Errorf("%+v", a)
		}
	})
}
