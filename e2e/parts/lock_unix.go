//go:build unix

package parts

import (
	"os"
	"syscall"
)

// tryLock locks a file for this open handle, or fails if somebody else has it.
func tryLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// lock waits until it has the lock.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }
