package config

import (
	"strings"
	"testing"
)

func TestRocketMQTLS(t *testing.T) {
	real := []string{"REDIS_URL=redis://r:6379", "NAMESRV_ADDR=n:9876", "AUTH=anonymous"}
	ca := authority(t)
	for _, tt := range []struct {
		environ []string
		wrong   string // "": it is fine
	}{
		{append([]string{"ROCKETMQ_TLS=true"}, real...), ""},
		{append([]string{"ROCKETMQ_TLS=true", "ROCKETMQ_CA_FILE=" + ca, "ROCKETMQ_TLS_SERVER_NAME=x"}, real...), ""},
		{append([]string{"ROCKETMQ_TLS=true", "ROCKETMQ_CA_FILE=" + empty(t)}, real...), "ROCKETMQ_CA_FILE"},
		{append([]string{"ROCKETMQ_TLS=true", "ROCKETMQ_CERT_FILE=" + ca}, real...), "ROCKETMQ_KEY_FILE"},
		{append([]string{"ROCKETMQ_TLS=true", "ROCKETMQ_KEY_FILE=" + ca}, real...), "ROCKETMQ_CERT_FILE"},
		{append([]string{"ROCKETMQ_TLS=true", "ROCKETMQ_CERT_FILE=" + ca, "ROCKETMQ_KEY_FILE=" + ca}, real...), "ROCKETMQ_CERT_FILE"},
		{append([]string{"ROCKETMQ_TLS=true", "ROCKETMQ_PRODUCER=client-go"}, real...), "ROCKETMQ_TLS"},
		{append([]string{"ROCKETMQ_CA_FILE=" + ca}, real...), "ROCKETMQ_CA_FILE"},
		{append([]string{"ROCKETMQ_TLS_SERVER_NAME=x"}, real...), "ROCKETMQ_TLS_SERVER_NAME"},
		{[]string{"ROCKETMQ_TLS=true"}, "ROCKETMQ_TLS"},
	} {
		cfg, err := load(tt.environ, 0)
		switch {
		case tt.wrong == "" && (err != nil || cfg.RocketMQTLSConfig == nil):
			t.Errorf("%q: %v", tt.environ, err)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%q: %v", tt.environ, err)
		}
	}
	cfg, err := load(append([]string{"ROCKETMQ_TLS=true", "ROCKETMQ_CA_FILE=" + ca, "ROCKETMQ_TLS_SERVER_NAME=x"}, real...), 0)
	if err != nil || cfg.RocketMQTLSConfig.ServerName != "x" || cfg.RocketMQTLSConfig.RootCAs == nil {
		t.Errorf("%+v, %v", cfg.RocketMQTLSConfig, err)
	}
	if cfg, err := load(real, 0); err != nil || cfg.RocketMQTLSConfig != nil {
		t.Errorf("without: %+v, %v", cfg.RocketMQTLSConfig, err)
	}
}

func TestRelayRules(t *testing.T) {
	real := []string{"REDIS_URL=redis://r:6379", "NAMESRV_ADDR=n:9876", "AUTH=anonymous"}
	cfg, err := load(append([]string{"RELAY_TOPICS=orders, alarms=plant/{tag}", "RELAY_FROM=beginning"}, real...), 0)
	if err != nil || len(cfg.Relay) != 2 || cfg.Relay[0].Pattern != "relay/{topic}" || cfg.Relay[1].Topic != "alarms" {
		t.Errorf("%+v, %v", cfg.Relay, err)
	}
	for _, wrong := range []string{"RELAY_TOPICS=a,a=b/c", "RELAY_TOPICS=a=a/b", "RELAY_TOPICS=a=b/{x}", "RELAY_FROM=middle"} {
		name, _, _ := strings.Cut(wrong, "=")
		if _, err := load(append([]string{wrong}, real...), 0); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}
