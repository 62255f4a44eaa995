package e2e

import "syscall"

// dieWithParent has the kernel end an instance when the test process is killed.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
