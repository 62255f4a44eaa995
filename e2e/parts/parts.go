// Package parts starts real servers for tests, on free loopback ports and in temporary directories: Redis, Redis Cluster,
// RocketMQ, and a TCP proxy that delays and cuts. Whatever a test starts ends with the test, killed or not.
//
// What a machine lacks is skipped, and the skip names what is missing and how to get it. With REQUIRE_REAL=1 it is
// installed instead, or else the test fails.
package parts

import (
	"os"
	"testing"
)

// T is the part of *testing.T that is used here, so that a command can start the same servers.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	TempDir() string
	Cleanup(f func())
	Failed() bool
}

var _ T = (*testing.T)(nil)

// Required reports whether a missing server is to be installed, and its absence a failure: REQUIRE_REAL=1.
func Required() bool { return os.Getenv("REQUIRE_REAL") == "1" }

// missing skips the test, or fails it where real servers are required.
func missing(t T, format string, args ...any) {
	t.Helper()
	if Required() {
		t.Fatalf(format, args...)
	}
	t.Skipf(format+" (REQUIRE_REAL=1 installs it)", args...)
}
