package minimq

import (
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

func TestTimersGoOffInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTimers(time.Now)
		tm.start()
		defer tm.stop()
		var got []int
		at := func(ms int) *alarm {
			return tm.add(time.Now().Add(time.Duration(ms)*time.Millisecond), func() { got = append(got, ms) })
		}
		at(30)
		removed := at(20)
		at(10)
		if !tm.remove(removed) || tm.remove(removed) || tm.remove(nil) {
			t.Error("an alarm can be removed exactly once")
		}
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if !slices.Equal(got, []int{10}) {
			t.Errorf("after 10 ms: %v", got)
		}
		at(5)
		time.Sleep(time.Second)
		synctest.Wait()
		if !slices.Equal(got, []int{10, 5, 30}) {
			t.Errorf("in the end: %v", got)
		}
	})
}

func TestTimersKeepAlarmsWhileStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTimers(time.Now)
		tm.start()
		fired := false
		tm.add(time.Now().Add(time.Second), func() { fired = true })
		tm.stop()
		time.Sleep(time.Hour)
		if fired {
			t.Fatal("went off while stopped")
		}
		tm.start()
		synctest.Wait()
		if !fired {
			t.Error("did not go off after the start")
		}
		tm.stop()
	})
}

// Held pulls and waiting POPs cost no goroutines.
func TestHeldPullsCostNoGoroutines(t *testing.T) {
	s := RunWith(t, Config{})
	b := s.brokers[0]
	c := fuzzConn(t, b.ep)
	before := runtime.NumGoroutine()
	for i := range 10_000 {
		topic := "%LMQ%" + itoa(i)
		b.handle(c, &remoting.Command{Code: remoting.PullMessage, Ext: map[string]string{
			"consumerGroup": "%LMQ%g", "topic": topic, "queueId": "0", "queueOffset": "0", "maxMsgNums": "1",
			"sysFlag": "6", "suspendTimeoutMillis": "30000", "subscription": "*", "subVersion": "0",
		}})
		b.handle(c, &remoting.Command{Code: remoting.PopMessage, Ext: map[string]string{
			"consumerGroup": "%LMQ%g", "topic": topic, "queueId": "0", "maxMsgNums": "1", "invisibleTime": "1000", "pollTime": "30000",
		}})
	}
	if n := b.holds.len(); n != 10_000 {
		t.Errorf("%d pulls held", n)
	}
	if n := b.pops.waiting; n != 10_000 {
		t.Errorf("%d POPs waiting", n)
	}
	if after := runtime.NumGoroutine(); after > before+5 {
		t.Errorf("%d goroutines became %d", before, after)
	}
}

// A queue has 1,025 places for waiting POPs; one more is refused with 209.
func TestPollingFull(t *testing.T) {
	s := RunWith(t, Config{})
	b := s.brokers[0]
	c := fuzzConn(t, b.ep)
	pop := func() *remoting.Command {
		return b.answer(c, &remoting.Command{Code: remoting.PopMessage}, &args{ext: map[string]string{
			"consumerGroup": "%LMQ%g", "topic": "%LMQ%a", "queueId": "0", "maxMsgNums": "1", "invisibleTime": "1000", "pollTime": "30000",
		}})
	}
	for range popWaitQueue + 1 {
		if resp := pop(); resp != nil {
			t.Fatalf("refused early: %+v", resp)
		}
	}
	if resp := pop(); resp == nil || resp.Code != remoting.PollingFull {
		t.Errorf("one too many: %+v", resp)
	}
}
