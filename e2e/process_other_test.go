//go:build !linux

package e2e

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }

// pause: processes are stopped on Linux only.
func (i *instance) pause() { i.t.Skip("stopping a process for a while needs Linux") }

func (i *instance) resume() {}
