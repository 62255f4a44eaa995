package redisstore_test

import (
	"testing"

	"lmqgate/meta/metatest"
)

func TestContract(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		t.Run("Sessions", func(t *testing.T) { metatest.Sessions(t, backends(open)) })
		t.Run("Sweepers", func(t *testing.T) { metatest.Sweepers(t, backends(open)) })
		t.Run("Wills", func(t *testing.T) { metatest.Wills(t, backends(open)) })
		t.Run("Words", func(t *testing.T) { metatest.Words(t, backends(open)) })
		t.Run("Registry", func(t *testing.T) { metatest.Registry(t, backends(open)) })
		t.Run("Groups", func(t *testing.T) { metatest.Groups(t, backends(open)) })
	})
}
