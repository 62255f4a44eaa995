package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestUnknownVariables(t *testing.T) {
	tests := []struct{ name, hint string }{
		{"REDIS_URI", "REDIS_URL"},
		{"NAMESERV_ADDR", "NAMESRV_ADDR"},
		{"NAMESVR_ADDR", "NAMESRV_ADDR"},
		{"MAX_CONECTIONS", "MAX_CONNECTIONS"},
		{"mqttWsPort", "PORT"},
		{"MQTT_PORT", ""}, // a Kubernetes service named mqtt sets it
		{"mqttPort", "MQTT_TCP_ADDR"},
		{"eventNotifyRetryTopic", "nothing"},
		{"coapPort", "not served"},
		{"sslServerKeyPassword", "TLS_KEY_FILE"},
		{"LMQ_CONNECT_NODES", "nothing"},
		{"clusterName", "REDIS_PREFIX"},
		{"CLUSTER_NAME", ""},
		{"REDIS_PASSWORD", "REDIS_URL"},
		{"REDIS_SERVICE_HOST", ""},
		{"REDIS_PORT_6379_TCP_ADDR", ""},
		{"LMQGATE_URL", ""},
		{"PATH", ""},
		{"HOME", ""},
		{"LANG", ""},
		{"PWD", ""},
		{"HOSTNAME", ""},
		{"username", ""},
		{"SUPPORT", ""},
		{strings.Repeat("A", 1000), ""},
	}
	for _, tt := range tests {
		cfg, err := load([]string{tt.name + "=" + hidden}, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(cfg.Warnings, "\n")
		switch {
		case strings.Contains(got, hidden):
			t.Errorf("%s: the warning shows the value: %s", tt.name, got)
		case tt.hint == "" && got != "":
			t.Errorf("%s: warning %q", tt.name, got)
		case tt.hint != "" && (!strings.Contains(got, tt.name) || !strings.Contains(got, tt.hint)):
			t.Errorf("%s: warning %q does not name it and %s", tt.name, got, tt.hint)
		}
	}
}

// TestKeysOfJavaGateway: each key in the tables of infra/migrate is pointed out, and what it is now is a variable.
func TestKeysOfJavaGateway(t *testing.T) {
	doc, err := os.ReadFile("../migrate/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, tables, _ := strings.Cut(string(doc), "### service.conf")
	tables, _, _ = strings.Cut(tables, "### mqadmin")
	code := regexp.MustCompile("`([^`]+)`")
	variable := regexp.MustCompile("^[A-Z][A-Z0-9_]+$")
	keys := 0
	for line := range strings.Lines(tables) {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			keys++
			// Each process has a user name in its environment.
			if key := m[1]; key != "username" && lookup(key) == nil && meant(key) == "" {
				t.Errorf("%s is not pointed out", key)
			}
		}
		for _, m := range code.FindAllStringSubmatch(cells[2], -1) {
			if name := m[1]; variable.MatchString(name) && lookup(name) == nil && name != "GOMAXPROCS" {
				t.Errorf("%s is no variable", name)
			}
		}
	}
	if keys < 60 {
		t.Errorf("found %d keys in the tables", keys)
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"REDIS_URI", "REDIS_URL", 1}, {"kitten", "sitting", 3}, {"ab", "ba", 2},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
