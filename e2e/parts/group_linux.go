package parts

import (
	"os"
	"syscall"
)

// ownGroup starts a process as leader of its own group, and has the kernel kill it when we are killed ourselves.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// signalGroup signals a process and what it has started.
func signalGroup(p *os.Process, sig syscall.Signal) error { return syscall.Kill(-p.Pid, sig) }
