package gateway

import (
	"os"
	"strings"
	"sync"
	"time"
)

// testClock is a clock that is as wrong as a file says, such as "1h" or "-30m", for tests of what a wrong clock does. It has a
// new look at the file from time to time, so that the clock jumps while the instance runs.
type testClock struct {
	path string

	mu     sync.Mutex // protects what follows
	looked time.Time
	wrong  time.Duration
}

// now returns the clock of cfg.TestClock, nil if that is not set: the machine's.
func newTestClock(path string) func() time.Time {
	if path == "" {
		return nil
	}
	return (&testClock{path: path}).now
}

func (c *testClock) now() time.Time {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) > 50*time.Millisecond {
		c.looked = now
		text, _ := os.ReadFile(c.path)
		c.wrong, _ = time.ParseDuration(strings.TrimSpace(string(text)))
	}
	return now.Add(c.wrong).Round(0)
}
