package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const hidden = "topsecret"

func TestSecretsAreNotShown(t *testing.T) {
	cfg, err := load(real("ROCKETMQ_ACCESS_KEY=a", "ROCKETMQ_SECRET_KEY="+hidden), 0)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("start", "config", cfg, "url", cfg.RedisURL, "options", slog.AnyValue(&cfg))
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{
		log.String(), string(asJSON), fmt.Sprint(cfg), fmt.Sprintf("%+v %#v %v", cfg, cfg, &cfg),
		cfg.RedisURL.String(), fmt.Sprintf("%s %x %q", cfg.RedisURL, cfg.RedisURL, cfg.RedisURL),
	} {
		if strings.Contains(out, hidden) || strings.Contains(out, fmt.Sprintf("%x", hidden)) {
			t.Errorf("a secret shows in %s", out)
		}
	}
	if cfg.RocketMQSecretKey.Reveal() != hidden {
		t.Error("Reveal does not give the secret")
	}
	if Secret("").String() != "" {
		t.Error("an empty secret looks as if it were set")
	}
}

// TestErrorsHideSecrets plants a password in every place of a URL that cannot be read.
func TestErrorsHideSecrets(t *testing.T) {
	for _, url := range []string{
		"redis://u:" + hidden + "/x@h:1", "redis://u:" + hidden + "@h:port", hidden, hidden + "://h",
		"redis://h:1/" + hidden, "redis://h:1?" + hidden + "=1", "redis://h:1/?a=%zz" + hidden, "redis://u:%zz" + hidden + "@h",
	} {
		_, err := load([]string{"REDIS_URL=" + url, "NAMESRV_ADDR=h:1", "AUTH=anonymous"}, 0)
		if err == nil {
			t.Errorf("%s: no error", url)
		} else if strings.Contains(err.Error(), hidden) {
			t.Errorf("%s: the error shows it: %v", url, err)
		}
	}
}
