package parts

import "syscall"

// ownGroup starts a process as leader of its own group, and has the kernel kill it when we are killed ourselves.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
