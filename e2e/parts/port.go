package parts

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Ports are taken from below the range that Linux gives to outgoing connections (from 32768), where a port found free can be
// somebody's local port a moment later.
const lowPort, highPort = 12_000, 32_000

// FreePort returns a loopback port for the test's lifetime. Every port is reserved by a lock on a file, so that servers
// started by other test processes do not get it between the search and the start, nor during a restart. The ports at the
// given distances are reserved with it.
func FreePort(t T, distances ...int) int {
	t.Helper()
	for range 1000 {
		port := lowPort + rand.IntN(highPort-lowPort)
		if release, ok := reserve(port, distances); ok {
			t.Cleanup(release)
			return port
		}
	}
	t.Fatalf("find a free port: none after 1000 attempts")
	return 0
}

// reserve locks the port and those at the distances, if all are free.
func reserve(port int, distances []int) (release func(), ok bool) {
	var locks []*os.File
	release = func() {
		for _, f := range locks {
			_ = f.Close() // and with it the lock
		}
	}
	for _, distance := range append([]int{0}, distances...) {
		f, err := lockPort(port + distance)
		if err != nil {
			release()
			return nil, false
		}
		locks = append(locks, f)
	}
	return release, true
}

// lockPort reserves one port that nobody listens on.
func lockPort(port int) (*os.File, error) {
	dir := filepath.Join(os.TempDir(), "lmqgate-ports")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("lock port: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return nil, fmt.Errorf("lock port: %w", err)
	}
	if err := tryLock(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock port: %w", err)
	}
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock port: %w", err)
	}
	_ = l.Close()
	return f, nil
}

// loopback is the address of a local port.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
