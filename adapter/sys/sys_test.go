package sys_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/sys"
	"lmqgate/meta/message"
)

func ofInstance(id, uptime string) map[string]string {
	root := "$SYS/broker/instances/" + id + "/"
	return map[string]string{
		root + "version": "lmqgate version v1", root + "uptime": uptime, root + "clients/connected": "1", root + "clients/maximum": "2",
		root + "subscriptions/count": "3", root + "messages/received": "4", root + "messages/sent": "5",
		root + "publish/messages/received": "6", root + "publish/messages/sent": "7", root + "publish/messages/dropped": "8",
		root + "bytes/received": "9", root + "bytes/sent": "10",
	}
}

func TestTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		stop := w.run(t, "a/b+c#\x00\u00e9", 1, func(d *sys.Deps, _ *sys.Config) {
			d.Retained = func(context.Context) (int64, error) { return 12, nil }
			d.Sessions = func(context.Context) (int64, error) { return 5, nil }
		})
		time.Sleep(25 * time.Second)
		want := ofInstance("a_b_c__\u00e9", "20 seconds")
		for name, value := range map[string]string{
			"version": "lmqgate version v1", "uptime": "20 seconds", "clients/connected": "1", "clients/total": "5", "clients/disconnected": "4",
			"subscriptions/count": "3", "messages/received": "4", "messages/sent": "5", "publish/messages/received": "6",
			"publish/messages/sent": "7", "publish/messages/dropped": "8", "bytes/received": "9", "bytes/sent": "10",
			"retained messages/count": "12", "instances/count": "1",
		} {
			want["$SYS/broker/"+name] = value
		}
		if diff := cmp.Diff(want, w.values()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if sent := w.taken(); len(sent) > 0 {
			t.Errorf("sent with no subscriber: %q", sent)
		}
		stop()
		if v := w.values(); len(v) != len(want)-12 || v["$SYS/broker/clients/connected"] != "1" {
			t.Errorf("after a goodbye: %v", v)
		}
	})
}

// Only what somebody subscribes to is sent, with retain, QoS 0 and three intervals to live.
func TestSubscribed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		defer w.run(t, "a", 1, nil)()
		synctest.Wait()
		for _, c := range []struct {
			filters []string
			want    string
		}{
			{[]string{"#", "+/broker/version", "other"}, ""},
			{[]string{"$SYS/broker/clients/+", "$SYS/broker/version"}, "$SYS/broker/clients/connected $SYS/broker/version"},
			{[]string{"$SYS/broker/instances/a/uptime"}, "$SYS/broker/instances/a/uptime"},
			{nil, ""},
		} {
			w.set(func() { w.filters, w.sent = c.filters, nil })
			time.Sleep(10 * time.Second)
			synctest.Wait()
			w.set(func() {
				for _, m := range w.sent {
					p := message.Properties{HasExpiry: true, Expiry: 30}
					if !m.Retain || m.QoS != 0 || m.BornMillis != time.Now().UnixMilli() || !cmp.Equal(m.Properties, p) {
						t.Errorf("sent %+v", m)
					}
				}
			})
			if got := strings.Join(w.taken(), " "); got != c.want {
				t.Errorf("%q: sent %q, want %q", c.filters, got, c.want)
			}
			if n := len(w.values()); n != 24 {
				t.Errorf("%q: %d retained", c.filters, n)
			}
		}
		w.set(func() { w.filters = []string{"$SYS/#"} })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := w.taken(); len(got) != 24 {
			t.Errorf("sent %q", got)
		}
	})
}

// The smallest id speaks for all; when it leaves or dies the next does, and its topics vanish.
func TestCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		connected := func() (string, string) {
			v := w.values()
			return v["$SYS/broker/clients/connected"], v["$SYS/broker/instances/count"]
		}
		want := func(when, clients, instances string) {
			t.Helper()
			synctest.Wait()
			if c, n := connected(); c != clients || n != instances {
				t.Errorf("%s: %s clients on %s instances, want %s on %s", when, c, n, clients, instances)
			}
		}
		stopB := w.run(t, "b", 10, nil)
		want("alone", "10", "1")
		time.Sleep(time.Second)
		stopA := w.run(t, "a", 1, nil)
		want("two", "11", "2")
		time.Sleep(time.Second)
		stopC := w.run(t, "c", 100, nil)
		time.Sleep(10 * time.Second)
		want("three", "111", "3")

		stopA()
		time.Sleep(10 * time.Second)
		want("without a", "110", "2")
		if v := w.values(); v["$SYS/broker/instances/a/version"] != "" || v["$SYS/broker/instances/b/version"] == "" {
			t.Errorf("topics of a that left, or of b: %v", v)
		}

		w.set(func() { w.away = true }) // b dies without a word
		stopB()
		w.set(func() { w.away = false; w.peers["b"] = peer{w.peers["c"].Figures, time.Now().Add(25 * time.Second)} })
		time.Sleep(40 * time.Second)
		want("without b", "100", "1")
		if v := w.values(); v["$SYS/broker/instances/b/version"] != "" || v["$SYS/broker/instances/c/version"] == "" {
			t.Errorf("topics of b that died, or of c: %v", v)
		}
		stopC()
		time.Sleep(31 * time.Second)
		if v := w.values(); len(v) > 0 {
			t.Errorf("nobody is left, but %v", v)
		}
	})
}

// While Redis is away the log has one line, and the rounds go on afterwards.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var log bytes.Buffer
		stop := w.run(t, "a", 1, func(d *sys.Deps, c *sys.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
			d.Retained = func(context.Context) (int64, error) { return 0, errAway }
		})
		w.set(func() { w.away = true })
		time.Sleep(65 * time.Second)
		if v := w.values(); len(v) > 0 {
			t.Errorf("everything is over, but %v", v)
		}
		w.set(func() { w.away = false })
		time.Sleep(10 * time.Second)
		if v := w.values(); len(v) != 24 || v["$SYS/broker/uptime"] != "70 seconds" {
			t.Errorf("back again: %v", v)
		}
		stop()
		if lines := strings.Count(log.String(), "\n"); lines != 2 || !strings.Contains(log.String(), "level=WARN") {
			t.Errorf("log:\n%s", log.String())
		}
	})
}

// An answer that does not come ends the round with its time, not the loop.
func TestSilentMatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		var calls int
		stop := w.run(t, "a", 1, func(d *sys.Deps, _ *sys.Config) {
			d.Matcher = matcherFunc(func(string, func([]string, error)) { calls++ })
		})
		time.Sleep(25 * time.Second)
		stop()
		if calls < 48 {
			t.Errorf("%d calls", calls)
		}
	})
}

type matcherFunc func(string, func([]string, error))

func (f matcherFunc) Match(name string, done func([]string, error)) { f(name, done) }

func TestOff(t *testing.T) {
	w := newWorld()
	p := sys.New(sys.Deps{Peers: w, Retain: w, Matcher: w, Lanes: w}, sys.Config{})
	p.Run(t.Context()) // returns at once
	if len(w.values()) > 0 || len(w.peers) > 0 {
		t.Error("it is off and speaks")
	}
}
