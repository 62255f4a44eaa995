package telemetry

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFollow(t *testing.T) {
	var out bytes.Buffer
	log := NewLogger(&out, LogConfig{Level: slog.LevelInfo, Format: "text", Follow: Follow{"sensor-*", "one/two"}})
	log.Debug("nobody's")
	log.Debug("another's", "client_id", "phone-1")
	log.Debug("theirs", "client_id", "sensor-7")
	log.Debug("exact", "client_id", "one/two")
	log.With("client_id", "sensor-8").Debug("bound")
	log.Info("of all", "client_id", "phone-1")
	got := out.String()
	for _, want := range []string{"theirs", "exact", "bound", "of all"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	for _, not := range []string{"nobody's", "another's"} {
		if strings.Contains(got, not) {
			t.Errorf("%q is in\n%s", not, got)
		}
	}
}

// TestLimit: warnings with the same words are held back beyond a number, and counted; info is not.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := NewLogger(&out, LogConfig{Format: "text"})
		for i := range limitBurst + 7 {
			log.Warn("it failed", "client_id", fmt.Sprint(i))
			log.Info("connected", "client_id", fmt.Sprint(i))
		}
		log.Warn("another thing failed")
		if n := strings.Count(out.String(), "it failed"); n != limitBurst {
			t.Errorf("%d warnings", n)
		}
		if n := strings.Count(out.String(), "connected"); n != limitBurst+7 {
			t.Errorf("%d connects", n)
		}
		if !strings.Contains(out.String(), "another thing failed") {
			t.Error("other words are held back too")
		}
		time.Sleep(limitTime)
		log.Warn("it failed", "client_id", "last")
		if !strings.Contains(out.String(), "client_id=last suppressed=7") {
			t.Errorf("the next line does not tell of those held back:\n%s", out.String())
		}
	})
}
