package redisstore_test

import (
	"log/slog"
	"os"
	"testing"

	"lmqgate/meta/redisstore"
)

func TestMain(m *testing.M) {
	redisstore.RedirectLogs(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}
