package config

import (
	"testing"
	"testing/fstest"
)

func TestContainerMemory(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	tests := []struct {
		name  string
		files fstest.MapFS
		want  uint64
	}{
		{"no such files", fstest.MapFS{}, 0},
		{"version 2", fstest.MapFS{
			"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("536870912\n"),
		}, 512 << 20},
		{"version 2, no limit", fstest.MapFS{
			"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("max\n"),
		}, 0},
		{"version 2, the limit is further up", fstest.MapFS{
			"proc/self/cgroup": file("0::/pod/app\n"), "sys/fs/cgroup/pod/memory.max": file("1000000\n"),
			"sys/fs/cgroup/pod/app/memory.max": file("2000000\n"),
		}, 1000000},
		{"version 1", fstest.MapFS{
			"proc/self/cgroup": file("5:cpu,cpuacct:/x\n4:memory:/x\n0::/\n"),
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": file("268435456\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes":   file("9223372036854771712\n"),
		}, 256 << 20},
		{"version 1 in a container, where the path is not there", fstest.MapFS{
			"proc/self/cgroup":                           file("4:memory:/docker/abc\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("268435456\n"),
		}, 256 << 20},
		{"version 1, no limit", fstest.MapFS{
			"proc/self/cgroup":                           file("4:memory:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"),
		}, 0},
		{"nonsense", fstest.MapFS{"proc/self/cgroup": file("0:\n::\nx"), "sys/fs/cgroup/memory.max": file("-1")}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := containerMemory(tt.files); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}

func TestMemoryLimitOfContainer(t *testing.T) {
	const container = 1000 << 20
	tests := []struct {
		set       string
		want      uint64
		container uint64
	}{
		{"", 900 << 20, container},
		{"64MiB", 64 << 20, 0},
		{"off", 0, 0},
	}
	for _, tt := range tests {
		var c Config
		c.memory(map[string]string{"GOMEMLIMIT": tt.set}, container)
		if c.MemoryLimit != tt.want || c.MemoryLimitOfContainer != tt.container {
			t.Errorf("GOMEMLIMIT=%q: %d of %d, want %d of %d", tt.set, c.MemoryLimit, c.MemoryLimitOfContainer, tt.want, tt.container)
		}
	}
}
