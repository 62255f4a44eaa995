//go:build !unix

package parts

import (
	"os"
	"syscall"
)

// There are no process groups here, and a process cannot be paused: signal 0 does nothing.
const (
	sigPause  = syscall.Signal(0)
	sigResume = syscall.Signal(0)
)

func ownGroup() *syscall.SysProcAttr { return nil }

// signalGroup ends the process alone, whatever the signal; others than Kill do not exist here.
func signalGroup(p *os.Process, sig syscall.Signal) error {
	if sig == 0 {
		return nil
	}
	return p.Kill()
}
