package config

import (
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
)

// boundless is where a number in a control group's file is no limit: version 1 writes one close to 2^63 for none.
const boundless = 1 << 60

// containerMemory returns the memory limit in bytes of the control group that this process is in, version 2 or 1, or of one
// above it if that is less; 0 means that there is none to be seen. The root is that of the file system.
func containerMemory(root fs.FS) uint64 {
	groups, _ := fs.ReadFile(root, "proc/self/cgroup")
	least := uint64(math.MaxUint64)
	for line := range strings.Lines(string(groups)) { // hierarchy:controllers:path
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) != 3:
		case parts[1] == "":
			least = min(least, lowest(root, "sys/fs/cgroup", parts[2], "memory.max"))
		case containsWord(parts[1], "memory"):
			least = min(least, lowest(root, "sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes"))
		}
	}
	if least >= boundless {
		return 0
	}
	return least
}

// lowest is the lowest number in the file of that name in a folder and those above it up to base. Within a container the
// group's own path may not be there, and base is the group itself.
func lowest(root fs.FS, base, group, name string) uint64 {
	least := uint64(math.MaxUint64)
	for at := path.Clean("/" + group); ; at = path.Dir(at) {
		if b, err := fs.ReadFile(root, path.Join(base, at, name)); err == nil {
			if n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 { // else "max"
				least = min(least, n)
			}
		}
		if at == "/" {
			return least
		}
	}
}

func containsWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// memory finds the memory limit: GOMEMLIMIT, or 90 % of what the container may use, whose sockets count as well.
func (c *Config) memory(set map[string]string, container uint64) {
	c.MemoryLimit = memoryLimit(set["GOMEMLIMIT"])
	if set["GOMEMLIMIT"] == "" && container > 0 {
		c.MemoryLimit, c.MemoryLimitOfContainer = container/10*9, container
	}
}
