package config

import (
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
