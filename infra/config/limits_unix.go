//go:build unix

package config

import "syscall"

// openFilesLimit returns how many files this process may have open; the Go runtime has raised the soft limit to the
// hard one at start. 0 means unknown.
func openFilesLimit() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return uint64(limit.Cur)
}
