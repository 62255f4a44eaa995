package history

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// script is a history in short, an event a line: KIND client connection words. Time goes on by 10 ms a line, and by what
// `wait 5m` says.
func script(t *testing.T, text string) []Event {
	t.Helper()
	var events []Event
	now := time.Duration(0)
	for line := range strings.Lines(text) {
		w := strings.Fields(line)
		if len(w) == 0 {
			continue
		}
		if w[0] == "wait" {
			d, err := time.ParseDuration(w[1])
			if err != nil {
				t.Fatal(err)
			}
			now += d
			continue
		}
		now += 10 * time.Millisecond
		e := Event{At: now, Kind: Kind(w[0])}
		if len(w) > 2 && w[1] != "-" {
			e.Client = w[1]
			if _, err := fmt.Sscan(w[2], &e.Conn); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
		for _, x := range w[min(len(w), 3):] {
			set(t, &e, x)
		}
		events = append(events, e)
	}
	return events
}

func set(t *testing.T, e *Event, word string) {
	t.Helper()
	name, value, _ := strings.Cut(word, "=")
	duration := func() time.Duration {
		d, err := time.ParseDuration(value)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	switch name {
	case "clean":
		e.Clean = true
	case "present":
		e.Present = true
	case "dup":
		e.Dup = true
	case "retain":
		e.Retain = true
	case "empty":
		e.Empty = true
	case "cut":
		e.Cut = true
	case "closed":
		e.Text = name
	case "expiry":
		e.Expiry = duration()
	case "delay":
		e.Delay = duration()
	case "m":
		e.Msg = value
	case "t":
		e.Topic = value
	case "f":
		e.Filter = value
	case "q":
		e.QoS = value[0] - '0'
	default:
		t.Fatalf("word %q", word)
	}
}

// Beginnings that the cases share: p publishes, s subscribed with QoS 2 and a lasting session, g and h are a group.
const (
	publisher = "connect p 1 clean\nconnected p 1\n"
	listener  = "connect s 2 expiry=1h\nconnected s 2\nsubscribe s 2 f=a/# q=2\nsubscribed s 2 f=a/# q=2\n"
	both      = publisher + listener
	group     = publisher + `connect g 3 expiry=1h
		connected g 3
		subscribe g 3 f=$share/x/a/# q=2
		subscribed g 3 f=$share/x/a/# q=2
		connect h 4 expiry=1h
		connected h 4
		subscribe h 4 f=$share/x/a/# q=2
		subscribed h 4 f=$share/x/a/# q=2
		`
	one    = "publish p 1 m=1 t=a/b q=2\nacked p 1 m=1\n"
	two    = "publish p 1 m=2 t=a/b q=2\nacked p 1 m=2\n"
	got1   = "deliver s 2 m=1 t=a/b q=2\n"
	got2   = "deliver s 2 m=2 t=a/b q=2\n"
	quiet  = "quiet - 0\n"
	willed = listener + "connect w 5 expiry=1h m=w t=a/w q=1\nconnected w 5\n"
	gotW   = "deliver s 2 m=w t=a/w q=1\n"
	write1 = publisher + "publish p 1 m=1 t=r q=1 retain\nacked p 1 m=1\n"
	write2 = write1 + "publish p 1 m=2 t=r q=1 retain\nacked p 1 m=2\n"
)

// TestPlanted: each mistake is found, and nothing else. Cases without a rule are no mistakes.
func TestPlanted(t *testing.T) {
	for _, c := range planted {
		t.Run(c.name, func(t *testing.T) {
			v := Check(script(t, c.text))
			switch {
			case c.rule == "" && len(v.Violations) > 0:
				t.Errorf("a false alarm: %v", v.Violations)
			case c.rule != "" && (len(v.Violations) != 1 || v.Violations[0].Rule != c.rule):
				t.Errorf("want one violation of %q, got %v", c.rule, v.Violations)
			case c.rule != "" && len(v.Violations[0].Proof) == 0:
				t.Error("no event proves it")
			}
		})
	}
}

var planted = []struct {
	name string
	rule Rule
	text string
}{
	{"all is well", "", both + one + got1 + quiet},
	{"never delivered", Lost, both + one + quiet},
	{"QoS 1 never delivered", Lost, both + "publish p 1 m=1 t=a/b q=1\nacked p 1 m=1\n" + quiet},
	{"the second is missing", Lost, both + one + got1 + two + quiet},
	{"the first is missing", Lost, both + one + two + got2 + quiet},
	{"sent while away", Lost, both + "ended s 2\n" + one + "connect s 6 expiry=1h\nconnected s 6 present\n" + quiet},
	{"acknowledged on a second try", Lost, both + "publish p 1 m=1 t=a/b q=1\nended p 1\nconnect p 7 expiry=1h\nconnected p 7\npublish p 7 m=1 t=a/b q=1 dup\nacked p 7 m=1\n" + quiet},
	{"nobody of a group", Lost, group + one + quiet},
	{"one of a group is enough", "", group + one + "deliver g 3 m=1 t=a/b q=2\n" + quiet},
	{"nothing is owed before SUBACK", "", publisher + "connect s 2 expiry=1h\nconnected s 2\nsubscribe s 2 f=a/# q=2\n" + one + "subscribed s 2 f=a/# q=2\n" + quiet},
	{"nothing is owed of QoS 0", "", both + "publish p 1 m=1 t=a/b q=0\n" + quiet},
	{"nothing more is owed after UNSUBSCRIBE", "", both + one + "unsubscribe s 2 f=a/#\nunsubscribed s 2 f=a/#\n" + two + quiet},
	{"QoS 2 twice", Twice, both + one + got1 + got1 + quiet},
	{"QoS 2 twice, with DUP", Twice, both + one + got1 + "deliver s 2 m=1 t=a/b q=2 dup\n" + quiet},
	{"QoS 2 twice on two connections", Twice, both + one + got1 + "ended s 2\nconnect s 6 expiry=1h\nconnected s 6 present\ndeliver s 6 m=1 t=a/b q=2 dup\n" + quiet},
	{"QoS 1 twice on one connection", Twice, both + "publish p 1 m=1 t=a/b q=1\nacked p 1 m=1\ndeliver s 2 m=1 t=a/b q=1\ndeliver s 2 m=1 t=a/b q=1\n" + quiet},
	{"QoS 0 twice on one connection", Twice, both + "publish p 1 m=1 t=a/b q=0\ndeliver s 2 m=1 t=a/b q=0\ndeliver s 2 m=1 t=a/b q=0\n" + quiet},
	{"QoS 1 again on the next connection", "", both + "publish p 1 m=1 t=a/b q=1\nacked p 1 m=1\ndeliver s 2 m=1 t=a/b q=1\nended s 2\nconnect s 6 expiry=1h\nconnected s 6 present\ndeliver s 6 m=1 t=a/b q=1 dup\n" + quiet},
	{"QoS 2 to two members", Twice, group + one + "deliver g 3 m=1 t=a/b q=2\ndeliver h 4 m=1 t=a/b q=2\n" + quiet},
	{"wrong order", Order, both + one + two + got2 + got1 + quiet},
	{"wrong order of QoS 0", Order, both + "publish p 1 m=1 t=a/b\npublish p 1 m=2 t=a/b\ndeliver s 2 m=2 t=a/b\ndeliver s 2 m=1 t=a/b\n" + quiet},
	{"wrong order over connections", Order, both + one + two + got2 + "ended s 2\nconnect s 6 expiry=1h\nconnected s 6 present\ndeliver s 6 m=1 t=a/b q=2\n" + quiet},
	{"QoS 0 of two connections has no order", "", both + "publish p 1 m=1 t=a/b\nended p 1\nconnect p 7 clean\nconnected p 7\npublish p 7 m=2 t=a/b\ndeliver s 2 m=2 t=a/b\ndeliver s 2 m=1 t=a/b\n" + quiet},
	{"other topics have no order", "", both + one + "publish p 1 m=2 t=a/c q=2\nacked p 1 m=2\ndeliver s 2 m=2 t=a/c q=2\n" + got1 + quiet},
	{"another filter", Uninvited, both + "publish p 1 m=1 t=b q=1\nacked p 1 m=1\ndeliver s 2 m=1 t=b q=1\n" + quiet},
	{"no subscription at all", Uninvited, both + one + got1 + "connect o 8 clean\nconnected o 8\ndeliver o 8 m=1 t=a/b q=1\n" + quiet},
	{"sent after UNSUBACK", Uninvited, both + "unsubscribe s 2 f=a/#\nunsubscribed s 2 f=a/#\n" + one + got1 + quiet},
	{"sent after the session was cleaned", Uninvited, both + "ended s 2\nconnect s 6 clean\nconnected s 6\n" + one + "deliver s 6 m=1 t=a/b q=2\n" + quiet},
	{"before SUBSCRIBE", Uninvited, publisher + "connect s 2 expiry=1h\nconnected s 2\n" + one + got1 + "subscribe s 2 f=a/# q=2\nsubscribed s 2 f=a/# q=2\n" + quiet},
	{"much older than the subscription", Uninvited, publisher + one + "wait 5m\n" + listener + got1 + quiet},
	{"a little older than the subscription", "", publisher + one + listener + got1 + quiet},
	{"more than the publisher's QoS", Uninvited, both + "publish p 1 m=1 t=a/b q=1\nacked p 1 m=1\n" + got1 + quiet},
	{"more than the granted QoS", Uninvited, publisher + "connect s 2 expiry=1h\nconnected s 2\nsubscribe s 2 f=a/# q=0\nsubscribed s 2 f=a/# q=0\n" + one + got1 + quiet},
	{"nobody sent it", Forged, both + got1 + quiet},
	{"another topic", Forged, both + one + got1 + two + "deliver s 2 m=2 t=a/c q=2\n" + quiet},
	{"before it was sent", Forged, both + got1 + one + quiet},
	{"the session is gone", Session, listener + "ended s 2\nconnect s 6 expiry=1h\nconnected s 6\n" + quiet},
	{"a session that was cleaned", Session, listener + "ended s 2\nconnect s 6 clean\nconnected s 6 present\n" + quiet},
	{"a session of nobody", Session, "connect s 6 expiry=1h\nconnected s 6 present\n" + quiet},
	{"the session expired", "", "connect s 2 expiry=1m\nconnected s 2\nended s 2\nwait 2m\nconnect s 6 expiry=1m\nconnected s 6\n" + quiet},
	{"two connections at the end", Owner, listener + "connect s 6 expiry=1h\nconnected s 6 present\n" + quiet},
	{"an old connection may subscribe", Owner, listener + "connect s 6 expiry=1h\nconnected s 6 present\nsubscribe s 2 f=b q=1\nsubscribed s 2 f=b q=1\nended s 2\n" + quiet},
	{"a will after DISCONNECT", WillRule, willed + "goodbye w 5\nended w 5 closed\n" + gotW + quiet},
	{"no will", WillRule, willed + "ended w 5\n" + quiet},
	{"a will", "", willed + "ended w 5\n" + gotW + quiet},
	{"a will of QoS 2 twice", Twice, listener + "connect w 5 expiry=1h m=w t=a/w q=2\nconnected w 5\nended w 5\ndeliver s 2 m=w t=a/w q=2\nended s 2\nconnect s 6 expiry=1h\nconnected s 6 present\ndeliver s 6 m=w t=a/w q=2\n" + quiet},
	{"a will although its client came back", WillRule, listener + "connect w 5 expiry=1h m=w t=a/w q=1 delay=1m\nconnected w 5\nended w 5\nconnect w 6 expiry=1h\nconnected w 6 present\n" + gotW + quiet},
	{"a late will that never comes", WillRule, listener + "connect w 5 expiry=1h m=w t=a/w q=1 delay=10s\nconnected w 5\nended w 5\nwait 10m\n" + quiet},
	{"an old value", RetainRule, write2 + "retained - 0 t=r m=1\n" + quiet},
	{"no value", RetainRule, write1 + "retained - 0 t=r\n" + quiet},
	{"a deleted value", RetainRule, write1 + "publish p 1 m=2 t=r q=1 retain empty\nacked p 1 m=2\nretained - 0 t=r m=1\n" + quiet},
	{"a value of nobody", RetainRule, write1 + "retained - 0 t=r m=9\n" + quiet},
	{"a value of another topic", RetainRule, write1 + "retained - 0 t=q m=1\nretained - 0 t=r m=1\n" + quiet},
	{"one of two writes at once", "", publisher + "connect o 8 clean\nconnected o 8\npublish p 1 m=1 t=r q=1 retain\npublish o 8 m=2 t=r q=1 retain\nacked o 8 m=2\nacked p 1 m=1\nretained - 0 t=r m=2\n" + quiet},
	{"a write without an answer", "", write1 + "publish p 1 m=2 t=r retain\nretained - 0 t=r m=2\n" + quiet},
	{"no answer", Unanswered, publisher + "publish p 1 m=1 t=a/b q=1\n" + quiet},
}

// TestPermit: a permit excuses its rule at its time only, and is named.
func TestPermit(t *testing.T) {
	events := script(t, both+one+quiet)
	for name, c := range map[string]struct {
		permit  Permit
		excused int
	}{
		"that rule then":    {Permit{Rules: []Rule{Lost}, To: time.Second, Why: "failover"}, 1},
		"another rule":      {Permit{Rules: []Rule{Twice}, To: time.Second, Why: "failover"}, 0},
		"that rule, later":  {Permit{Rules: []Rule{Lost}, From: time.Second, To: time.Minute, Why: "failover"}, 0},
		"no rule whatever":  {Permit{To: time.Minute}, 0},
		"that rule, before": {Permit{Rules: []Rule{Lost}, To: 20 * time.Millisecond, Why: "failover"}, 0},
	} {
		v := Check(events, c.permit)
		if len(v.Excused) != c.excused || len(v.Violations) != 1-c.excused {
			t.Errorf("%s: %v", name, v)
		}
		if c.excused == 1 && !strings.Contains(fmt.Sprint(v.Excused[0]), "failover") {
			t.Errorf("%s: %v does not say why", name, v.Excused[0])
		}
	}
}
