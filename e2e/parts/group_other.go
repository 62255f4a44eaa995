//go:build !linux

package parts

import (
	"os"
	"syscall"
)

// ownGroup: process groups are used on Linux only.
func ownGroup() *syscall.SysProcAttr { return nil }

// signalGroup signals the process alone.
func signalGroup(p *os.Process, sig syscall.Signal) error { return p.Signal(sig) }
