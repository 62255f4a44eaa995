package rocketmq_test

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
)

// TestPopClock: a broker that believes that a POP was made at time 0, as RocketMQ 5.3 with access control does, is told the time,
// whatever its clock; it is not asked again and again.
func TestPopClock(t *testing.T) {
	for _, ahead := range []time.Duration{0, 3 * time.Second, -time.Hour, 5 * time.Minute} {
		t.Run(ahead.String(), func(t *testing.T) {
			popping(t, nil, func(t *testing.T, c *rocketmq.Client, b *fakeServer) {
				b.script(func(cmd *remoting.Command) (*remoting.Command, bool) {
					if cmd.Code != remoting.PopMessage {
						return nil, false
					}
					born, _ := strconv.ParseInt(cmd.Ext["bornTime"], 10, 64)
					poll, _ := strconv.ParseInt(cmd.Ext["pollTime"], 10, 64)
					late := time.Now().Add(ahead).UnixMilli()-born-poll > 500
					return cmd.Response(remoting.PollingTimeout, "the broker[127.0.0.1] pop message is timeout too much"), late
				})
				var log popLog
				defer log.loop(c, popReq)()
				synctest.Wait()
				b.fill(3)
				time.Sleep(time.Minute)
				if got := log.got(); got != "0 1 2" {
					t.Errorf("got %q", got)
				}
				if n := b.count(remoting.PopMessage, ""); n > 130 { // 90 without any trouble
					t.Errorf("%d requests", n)
				}
				for i := range 20 {
					time.Sleep(137 * time.Millisecond)
					b.message(name, fmt.Sprint(3+i))
				}
				time.Sleep(3 * time.Second)
				log.want(t, numbersTo(23))
			})
		})
	}
}

func numbersTo(n int) string {
	text := ""
	for i := range n {
		text += fmt.Sprint(" ", i)
	}
	return text[1:]
}
