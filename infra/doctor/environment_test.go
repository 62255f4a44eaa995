package doctor

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"lmqgate/infra/config"
)

const (
	realServers = "REDIS_URL=redis://127.0.0.1:1 NAMESRV_ADDR=127.0.0.1:2 "
	login       = "AUTH=hmac AUTH_USERNAME=u AUTH_SECRET_KEY=0123456789abcdef "
)

func surveyed(t *testing.T, environ string) []Finding {
	t.Helper()
	entries := strings.Fields(environ)
	cfg, wrong := config.Inspect(entries)
	return environment(surroundings{Config: cfg, wrong: wrong, set: toSet(entries), now: time.Now})
}

// TestEnvironment: unsafe combinations that the gateway starts with.
func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		name, environ string
		check         string
		grade         Grade
		remedy        string
	}{
		{"nothing configured", "", "env.embedded", Warn, "REDIS_URL"},
		{"embedded on Cloud Run", "K_SERVICE=s ALLOW_EMBEDDED=true", "env.embedded", Fail, "NAMESRV_ADDR"},
		{"embedded on Kubernetes", "KUBERNETES_SERVICE_HOST=10.0.0.1", "env.embedded", Fail, "NAMESRV_ADDR"},
		{"half embedded", "ALLOW_EMBEDDED=true REDIS_URL=redis://h " + login, "env.embedded", Fail, "both"},
		{"anonymous", realServers + "AUTH=anonymous", "env.auth", Warn, "hmac"},
		{"cleartext passwords", realServers + login + "MQTT_TCP_ADDR=0.0.0.0:1883", "env.cleartext", Warn, "MQTT_TLS_ADDR"},
		{"everybody a proxy", realServers + login + "TRUSTED_PROXIES=0.0.0.0/0", "env.proxies", Warn, "networks"},
		{"status for everybody", realServers + login + "STATUS_USERS=*", "env.status", Warn, "users"},
		{"push anywhere", realServers + login + "PUSH_ALLOW=10.0.0.0/8,0.0.0.0/0", "env.push", Warn, "networks"},
		{"unsigned events", realServers + login + "EVENTS_URL=https://example.com/", "env.push", Warn, "EVENTS_SECRET"},
		{"more clients than files", realServers + login + "MAX_CONNECTIONS=1000000", "env.limits", Warn, "ulimit"},
		{"slow to drain", realServers + login + "K_SERVICE=s DRAIN_TIMEOUT=30s", "env.platform", Warn, "DRAIN_TIMEOUT"},
		{"every packet", realServers + login + "LOG_LEVEL=debug", "env.log", Warn, "LOG_CLIENTS"},
		{"fail points", realServers + login + "LMQGATE_TEST_FAILPOINT=x", "env.test", Fail, "unset"},
		{"Java's keys", realServers + login + "mqttWsPort=8888", "env.warning", Warn, "README"},
		{"healthy", realServers + login, "", OK, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := false
			for _, f := range surveyed(t, tt.environ) {
				if f.Check != tt.check {
					if f.Grade != OK {
						t.Errorf("%+v, which is well", f)
					}
					continue
				}
				found = true
				if f.Grade != tt.grade || !strings.Contains(f.Remedy, tt.remedy) {
					t.Errorf("%+v", f)
				}
			}
			if !found && tt.check != "" {
				t.Errorf("nothing about %s", tt.check)
			}
		})
	}
}

// TestEveryProblem: all wrong variables at once, each with what it takes.
func TestEveryProblem(t *testing.T) {
	var failed []string
	for _, f := range surveyed(t, "PORT=x AUTH=magic MAX_PACKET_SIZE=1 REDIS_URL=redis://:secret@h:x NAMESRV_ADDR=h") {
		if f.Grade == Fail && strings.HasPrefix(f.Remedy, "give ") {
			failed = append(failed, f.Of)
		}
		if strings.Contains(f.Text+f.Remedy, "secret") {
			t.Errorf("a secret is shown: %+v", f)
		}
	}
	if got := strings.Join(failed, " "); got != "PORT NAMESRV_ADDR REDIS_URL AUTH MAX_PACKET_SIZE" {
		t.Errorf("problems of %s", got)
	}
}

func TestCertificate(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for days, want := range map[int]Grade{100: OK, 5: Warn, -1: Fail} {
		leaf := &x509.Certificate{NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(0, 0, days)}
		if f := certificate(leaf, now); f.Grade != want {
			t.Errorf("%d days: %+v", days, f)
		}
	}
	if f := certificate(&x509.Certificate{NotBefore: now.Add(time.Hour), NotAfter: now.AddDate(1, 0, 0)}, now); f.Grade != Fail {
		t.Errorf("not yet: %+v", f)
	}
}
