//go:build !unix

package config

// openFilesLimit returns 0: there is no such limit here.
func openFilesLimit() uint64 { return 0 }
