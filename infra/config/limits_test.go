package config

import "testing"

func TestMemoryLimit(t *testing.T) {
	tests := map[string]uint64{
		"": 0, "off": 0, "1024": 1024, "10B": 10, "1KiB": 1 << 10, "512MiB": 512 << 20, "2GiB": 2 << 30, "1TiB": 1 << 40,
		"iB": 0, "1XiB": 0, "1.5GiB": 0, "-1": 0, "GiB": 0, "9223372036854775807TiB": 0,
	}
	for v, want := range tests {
		if got := memoryLimit(v); got != want {
			t.Errorf("memoryLimit(%q) = %d, want %d", v, got, want)
		}
	}
}

func TestDefaultConnections(t *testing.T) {
	tests := []struct {
		files, memory uint64
		want          int
	}{
		{0, 0, defaultMostConnections},
		{1 << 60, 1 << 60, defaultMostConnections},
		{20_000, 0, (20_000 - reservedFiles) / 5 * 4},
		{100, 0, leastConnections},
		{20_000, 1 << 20, leastConnections},
		{25_000, reservedMemory + 1000*connectionMemory, 1000},
	}
	for _, tt := range tests {
		if got := defaultConnections(tt.files, tt.memory); got != tt.want {
			t.Errorf("defaultConnections(%d, %d) = %d, want %d", tt.files, tt.memory, got, tt.want)
		}
	}
}

func TestMemoryLimitCountsInLoad(t *testing.T) {
	cfg, err := load([]string{"GOMEMLIMIT=64MiB"}, 25_000)
	if err != nil {
		t.Fatal(err)
	}
	if want := (16 << 20) / connectionMemory; cfg.MaxConnections != want {
		t.Errorf("MaxConnections %d, want %d", cfg.MaxConnections, want)
	}
}
