package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"

	"lmqgate/e2e/parts"
)

// session is what a test is to the servers: their lifetime, and where they complain.
type session struct {
	name string

	mu       sync.Mutex // protects all below
	cleanups []func()
	failed   error
	skipped  string
	ended    bool
}

var _ parts.T = (*session)(nil)

// run calls f on this goroutine and returns why it skipped or failed, if it did.
func (s *session) run(f func()) (skipped string, failed error) {
	done := make(chan struct{})
	go func() { // Goexit must end f and nothing else
		defer close(done)
		f()
	}()
	<-done
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.skipped, s.failed
}

func (s *session) Helper() {}

func (s *session) Logf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "with-real: "+s.name+": "+format+"\n", args...)
}

func (s *session) Fatalf(format string, args ...any) {
	s.mu.Lock()
	s.failed = fmt.Errorf(format, args...)
	s.mu.Unlock()
	runtime.Goexit()
}

func (s *session) Skipf(format string, args ...any) {
	s.mu.Lock()
	s.skipped = fmt.Sprintf(format, args...)
	s.mu.Unlock()
	runtime.Goexit()
}

func (s *session) TempDir() string {
	dir, err := os.MkdirTemp("", "lmqgate-real-")
	if err != nil {
		s.Fatalf("make directory: %v", err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Cleanup keeps f for the end. A server that is still being started when the end comes is stopped at once.
func (s *session) Cleanup(f func()) {
	s.mu.Lock()
	ended := s.ended
	if !ended {
		s.cleanups = append(s.cleanups, f)
	}
	s.mu.Unlock()
	if ended {
		f()
		runtime.Goexit()
	}
}

func (s *session) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed != nil
}

// end runs the cleanups, last first.
func (s *session) end() {
	s.mu.Lock()
	s.ended = true
	cleanups := s.cleanups
	s.cleanups = nil
	s.mu.Unlock()
	for i := len(cleanups) - 1; i >= 0; i-- {
		cleanups[i]()
	}
}

// sessions are the servers of one run.
type sessions struct{ all []*session }

func (s *sessions) add(name string) *session {
	one := &session{name: name}
	s.all = append(s.all, one)
	return one
}

// end stops all servers and reports whether none had failed to start.
func (s *sessions) end() bool {
	ok := true
	var work sync.WaitGroup
	for _, one := range s.all {
		ok = ok && !one.Failed()
		work.Go(one.end)
	}
	work.Wait()
	return ok
}
