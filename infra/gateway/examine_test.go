package gateway

import (
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/infra/minimq"
)

// TestExamine: what is wrong with servers that answer stands in the log after the start, with what to do.
func TestExamine(t *testing.T) {
	noLeaks(t)
	log := &screen{}
	redis := miniredis.RunT(t)
	mq := minimq.RunWith(t, minimq.Config{Version: "V5_3_1", Settings: map[string]string{"enableMultiDispatch": "false"}})
	g, err := New(stalledConfig(t, redis.Addr(), mq.Addr()), Options{Err: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, g)
	for deadline := time.Now().Add(patience); ; {
		text := log.String()
		if strings.Contains(text, "broker.lmq") && strings.Contains(text, "enableMultiDispatch=true") && strings.Contains(text, "broker.version") && strings.Contains(text, "env.auth") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the log does not say it:\n%s", text)
		}
		<-time.After(10 * time.Millisecond) // nothing waits for it but the machine
	}
}
