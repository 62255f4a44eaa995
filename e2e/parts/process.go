package parts

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startLimit = 90 * time.Second // a JVM with RocksDB on two busy cores takes 10 to 20 s
	stopLimit  = 20 * time.Second
	pollEvery  = 20 * time.Millisecond
)

// Process is a server that can be killed and started again with the same command line, ports and data. Its methods may be
// called from any goroutine, one at a time takes effect.
type Process struct {
	t       T
	name    string
	log     string // file with all output, of every run
	detail  string // file with a log that says more, "" if there is none
	command func() *exec.Cmd
	ready   func() error // nil once the server serves; polled

	mu     sync.Mutex // protects the two below
	exited chan struct{}
	cmd    *exec.Cmd
}

// start starts a server for the test's lifetime and waits until it serves.
func start(t T, p *Process) *Process {
	t.Helper()
	p.t = t
	t.Cleanup(func() {
		crashed := p.crashed()
		p.Kill()
		if crashed {
			t.Logf("%s ended by itself", p.name)
		}
		if crashed || t.Failed() {
			t.Logf("end of the log of %s:\n%s", p.name, p.Log(40))
		}
	})
	p.Start()
	return p
}

// Start starts the server, unless it runs, and waits until it serves. The test fails if it does not.
func (p *Process) Start() {
	p.t.Helper()
	if err := p.launch(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err) // the cleanup shows the log
	}
}

// Kill ends the server at once, as a crash does (SIGKILL), and waits until it has gone.
func (p *Process) Kill() { p.end(syscall.SIGKILL) }

// Stop ends the server in order (SIGTERM) and waits until it has gone; one that does not go is killed.
func (p *Process) Stop() { p.end(syscall.SIGTERM) }

// Restart is Stop and Start; data and ports stay.
func (p *Process) Restart() {
	p.t.Helper()
	p.Stop()
	p.Start()
}

// Pause holds the server still, connections open (SIGSTOP), until Resume.
func (p *Process) Pause() { p.signal(sigPause) }

// Resume lets a paused server go on.
func (p *Process) Resume() { p.signal(sigResume) }

// Log returns the last lines of the server's log.
func (p *Process) Log(lines int) string {
	if p.detail != "" {
		if _, err := os.Stat(p.detail); err == nil {
			return tail(p.detail, lines)
		}
	}
	return tail(p.log, lines)
}

// crashed reports whether the server has ended without being asked to.
func (p *Process) crashed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.exited != nil && isClosed(p.exited)
}

// launch starts the process, unless it runs, and waits without the lock, so that Kill can end a start that takes long.
func (p *Process) launch() error {
	exited, err := p.spawn()
	if err != nil || exited == nil {
		return err
	}
	return p.await(exited)
}

// spawn returns the channel that tells the end of a new process, nil if one runs already.
func (p *Process) spawn() (<-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited != nil && !isClosed(p.exited) {
		return nil, nil
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer log.Close() // the child has its own
	cmd := p.command()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = ownGroup()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	p.cmd, p.exited = cmd, exited
	return exited, nil
}

// await polls until the server serves.
func (p *Process) await(exited <-chan struct{}) error {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		err := p.ready()
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("it ended before it was ready: %w", err)
		case <-limit.C:
			return fmt.Errorf("not ready after %v: %w", startLimit, err)
		case <-poll.C:
		}
	}
}

func (p *Process) end(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited == nil {
		return
	}
	_ = signalGroup(p.cmd.Process, sigResume) // a paused process does not notice SIGTERM
	_ = signalGroup(p.cmd.Process, sig)
	select {
	case <-p.exited:
	case <-time.After(stopLimit):
	}
	// Again for the whole group: children that the server left behind, and one that did not go.
	_ = signalGroup(p.cmd.Process, syscall.SIGKILL)
	<-p.exited
	p.exited = nil
}

func (p *Process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.exited != nil {
		_ = signalGroup(p.cmd.Process, sig)
	}
}

// tail returns the last lines of a file.
func tail(file string, lines int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(string(bytes.TrimSpace(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
