package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"lmqgate/e2e/parts"
)

func TestSessionCleansUpLastFirst(t *testing.T) {
	var order []string
	s := &session{name: "x"}
	skipped, failed := s.run(func() {
		s.Cleanup(func() { order = append(order, "first") })
		s.Cleanup(func() { order = append(order, "second") })
		s.Skipf("no %s", "java")
		t.Error("Skipf returned")
	})
	if skipped != "no java" || failed != nil {
		t.Errorf("skipped %q, failed %v", skipped, failed)
	}
	s.end()
	if strings.Join(order, " ") != "second first" {
		t.Errorf("cleanups ran as %v", order)
	}
	// What a start that was overtaken by the end brings along is stopped at once.
	s.run(func() {
		s.Cleanup(func() { order = append(order, "late") })
		t.Error("a start went on after the end")
	})
	if order[len(order)-1] != "late" {
		t.Errorf("cleanups ran as %v", order)
	}
}

func TestFailedStartFailsTheRun(t *testing.T) {
	var all sessions
	s := all.add("x")
	if _, failed := s.run(func() { s.Fatalf("port %d", 7) }); failed == nil || failed.Error() != "port 7" {
		t.Errorf("failed %v", failed)
	}
	if all.end() {
		t.Error("a run with a failed start ends well")
	}
}

func TestTempDirGoesWithTheSession(t *testing.T) {
	s := &session{name: "x"}
	dir := s.TempDir()
	if err := os.WriteFile(dir+"/f", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.end()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

func TestGroupStatus(t *testing.T) {
	for script, want := range map[string]int{"exit 0": 0, "exit 7": 7, "kill -KILL $$": 137} {
		if got, _ := parts.RunGroup(exec.Command("sh", "-c", script), nil); got != want {
			t.Errorf("%s: status %d, want %d", script, got, want)
		}
	}
	if got, err := parts.RunGroup(exec.Command("/nonexistent"), nil); got != 1 || err == nil {
		t.Errorf("no such command: status %d, %v", got, err)
	}
}

// TestGroupEndsOnSignal: the signal reaches the whole group, and whoever ignores being left behind is killed.
func TestGroupEndsOnSignal(t *testing.T) {
	stop := make(chan os.Signal, 1)
	stop <- syscall.SIGTERM
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	cmd := exec.Command("sh", "-c", "(trap '' TERM; sleep 600) & exec sleep 600")
	cmd.Stdout = write
	if status, _ := parts.RunGroup(cmd, stop); status != 143 {
		t.Errorf("status %d, want 143", status)
	}
	_ = write.Close()
	// The pipe ends only when every process that had it has gone.
	if _, err := read.Read(make([]byte, 1)); err == nil {
		t.Error("the pipe has data")
	}
}
