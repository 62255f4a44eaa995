//go:build unix && !linux

package parts

import "syscall"

// ownGroup starts a process as leader of its own group.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
