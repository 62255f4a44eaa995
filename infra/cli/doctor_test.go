package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/infra/minimq"
)

// doctored runs `lmqgate doctor`.
func doctored(t *testing.T, environ []string, flags ...string) (out, errs string, status int) {
	t.Helper()
	var o, e bytes.Buffer
	status = Main(t.Context(), append([]string{"doctor"}, flags...), environ, &o, &e, noGateway(t))
	return o.String(), e.String(), status
}

// TestDoctorStatus: 0 if nothing failed, 1 if something did, 2 if the gateway would not start or the flags are wrong.
func TestDoctorStatus(t *testing.T) {
	redis, rocket := miniredis.RunT(t), minimq.RunWith(t, minimq.Config{Settings: map[string]string{"fileReservedTime": "168"}})
	old := minimq.RunWith(t, minimq.Config{Version: "V5_3_1"})
	environ := func(names string, more ...string) []string {
		return append([]string{"REDIS_URL=redis://" + redis.Addr(), "NAMESRV_ADDR=" + names, "AUTH=anonymous"}, more...)
	}
	for _, tt := range []struct {
		name    string
		environ []string
		flags   []string
		status  int
		out     string
	}{
		{"nothing configured", nil, nil, 0, "embedded.roundtrip"},
		{"a warning", environ(rocket.Addr()), nil, 0, "WARN  env.auth"},
		{"a warning, strictly", environ(rocket.Addr()), []string{"--strict"}, 1, "WARN  env.auth"},
		{"old broker", environ(old.Addr()), nil, 1, "FAIL  broker.version broker-a"},
		{"wrong environment", environ(rocket.Addr(), "PORT=x"), nil, 2, "FAIL  env.value PORT"},
		{"wrong flag", nil, []string{"--nonsense"}, 2, ""},
		{"an argument", nil, []string{"redis"}, 2, ""},
		{"no time", nil, []string{"--timeout", "0"}, 2, ""},
		{"help", nil, []string{"--help"}, 0, "Exit status: 0 nothing failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, errs, status := doctored(t, tt.environ, tt.flags...)
			if status != tt.status || !strings.Contains(out, tt.out) || (tt.out == "") != (out == "") {
				t.Errorf("status %d\n%s%s", status, out, errs)
			}
		})
	}
}

// TestDoctorJSON is what programs read, also with an environment that cannot be used.
func TestDoctorJSON(t *testing.T) {
	for _, environ := range [][]string{nil, {"PORT=x"}} {
		out, _, _ := doctored(t, environ, "--json")
		var report struct {
			Grade    string
			TookMS   *int `json:"took_ms"`
			Findings []struct{ Check, Grade, Text string }
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil || report.TookMS == nil || len(report.Findings) == 0 {
			t.Fatalf("%v\n%s", err, out)
		}
		worst := "WARN" // embedded
		if len(environ) > 0 {
			worst = "FAIL"
		}
		if f := report.Findings[0]; report.Grade != worst || f.Check == "" || f.Grade == "" || f.Text == "" {
			t.Errorf("%s", out)
		}
	}
}

// TestWrap keeps lines short, and every word.
func TestWrap(t *testing.T) {
	text := strings.TrimSpace(strings.Repeat("word and more ", 40))
	wrapped := wrap(text, 50)
	for line := range strings.Lines(wrapped) {
		if len(strings.TrimRight(line, "\n")) > lineWidth {
			t.Errorf("too long: %q", line)
		}
	}
	if strings.Join(strings.Fields(wrapped), " ") != text {
		t.Errorf("%q", wrapped)
	}
}
