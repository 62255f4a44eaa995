package config

import (
	"strconv"
	"strings"
)

const (
	mostConnections = 1_000_000
	// defaultMostConnections bounds the default where neither limit is known or both are vast.
	defaultMostConnections = 100_000
	leastConnections       = 16

	// reservedFiles are for listeners, Redis, RocketMQ, log and metrics.
	reservedFiles = 256
	// reservedMemory is the process without any client.
	reservedMemory = 48 << 20
	// connectionMemory is a busy client: two buffers, its window of messages, its subscriptions. An idle one is a third.
	connectionMemory = 64 << 10
	// defaultHandshakes is enough for a second of the default rate.
	defaultHandshakes = 1024
)

// defaultConnections returns how many clients fit into the limit of open files and the memory limit in bytes;
// 0 means that a limit is not known.
func defaultConnections(files, memory uint64) int {
	n := uint64(defaultMostConnections)
	if files > 0 {
		n = min(n, below(files, reservedFiles)/5*4) // the fifth part for those that are no clients yet, and for HTTP
	}
	if memory > 0 {
		n = min(n, below(memory, reservedMemory)/connectionMemory)
	}
	return int(max(n, leastConnections))
}

// below returns a-b, or 0.
func below(a, b uint64) uint64 {
	if a <= b {
		return 0
	}
	return a - b
}

// memoryLimit reads GOMEMLIMIT as the Go runtime does: bytes with an optional suffix B, KiB, MiB, GiB or TiB.
// It returns 0 for "off" and for what is not such a number, which the runtime has refused by now.
func memoryLimit(v string) uint64 {
	shift := 0
	number := strings.TrimSuffix(v, "B")
	if cut, ok := strings.CutSuffix(number, "i"); ok && cut != "" {
		unit := strings.IndexByte("KMGT", cut[len(cut)-1])
		if unit < 0 {
			return 0
		}
		shift = 10 * (unit + 1)
		number = cut[:len(cut)-1]
	}
	n, err := strconv.ParseUint(number, 10, 63)
	if err != nil || n > 1<<62>>shift {
		return 0
	}
	return n << shift
}
