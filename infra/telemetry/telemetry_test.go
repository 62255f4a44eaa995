package telemetry

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func TestJSONLog(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out, LogConfig{Level: slog.LevelWarn})
	log.Info("not this")
	log.Warn("slow", "client_id", "c1", "took", 1500*time.Microsecond)
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("not one JSON line: %v\n%s", err, out.String())
	}
	if line["msg"] != "slow" || line["level"] != "WARN" || line["client_id"] != "c1" || line["took"] != "1.5ms" {
		t.Errorf("line %v", line)
	}
	if _, err := time.Parse("2006-01-02T15:04:05.000Z", line["time"].(string)); err != nil {
		t.Errorf("time: %v", err)
	}
}

func TestLogFormats(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if isTerminal(file) {
		t.Error("a file is taken for a terminal")
	}
	var out bytes.Buffer
	NewLogger(&out, LogConfig{Format: "text"}).Info("hello", "key", "v")
	if got := out.String(); !strings.Contains(got, "msg=hello key=v") {
		t.Errorf("text log %q", got)
	}
}

func TestReadBuild(t *testing.T) {
	info := &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: "(devel)"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.modified", Value: "true"},
	}}
	tests := []struct {
		version, commit string
		info            *debug.BuildInfo
		want            Build
	}{
		{"", "", nil, Build{Version: "devel", Commit: "unknown"}},
		{"", "", info, Build{Version: "devel", Commit: "abc-dirty", Go: "go1.26.0"}},
		{"v1.2.3", "def", info, Build{Version: "v1.2.3", Commit: "def", Go: "go1.26.0"}},
		{"", "", &debug.BuildInfo{Main: debug.Module{Version: "v0.1.0"}}, Build{Version: "v0.1.0", Commit: "unknown"}},
	}
	for _, tt := range tests {
		if got := readBuild(tt.version, tt.commit, tt.info); got != tt.want {
			t.Errorf("readBuild(%q, %q) = %+v, want %+v", tt.version, tt.commit, got, tt.want)
		}
	}
	if got := tests[1].want.String(); got != "lmqgate devel (abc-dirty, go1.26.0)" {
		t.Errorf("String %q", got)
	}
}

func TestMetricsPage(t *testing.T) {
	page := httptest.NewRecorder()
	Handler(NewRegistry(Build{Version: "v9", Commit: "abc", Go: "go1"})).
		ServeHTTP(page, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`lmqgate_build_info{commit="abc",goversion="go1",version="v9"} 1`, "go_goroutines ", "process_",
	} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}
