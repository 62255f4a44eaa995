package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// dieWithParent has the kernel end an instance when the test process is killed.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// pause stops the process and returns when all its threads stand still.
func (i *instance) pause() {
	i.t.Helper()
	must(i.t, i.cmd.Process.Signal(syscall.SIGSTOP))
	eventually(i.t, soon, func() error {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", i.cmd.Process.Pid))
		must(i.t, err)
		for _, name := range threads {
			stat, err := os.ReadFile(name)
			if err == nil && !bytes.Contains(stat, []byte(") T ")) {
				return fmt.Errorf("a thread still runs: %s", stat)
			}
		}
		return nil
	})
}

// resume lets a paused process go on.
func (i *instance) resume() { _ = i.cmd.Process.Signal(syscall.SIGCONT) }
