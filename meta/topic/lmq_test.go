package topic

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestLMQ(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct{ name, lmq, first string }{
		// The table of the contract.
		{"t", "%LMQ%t", "t"},
		{"t/r1", "%LMQ%t%r1%", "t"},
		{"t/r1/", "%LMQ%t%r1%", "t"},
		{"/t/x", "%LMQ%%t%x%", "t"},
		{"t/+", "%LMQ%t%+%", "t"},
		{"t/#", "%LMQ%t%#%", "t"},
		{"/p2p/c1", "%LMQ%%p2p%c1%", "p2p"},
		// Corners.
		{"#", "%LMQ%#", "#"},
		{"+/x", "%LMQ%+%x%", "+"},
		{"/", "%LMQ%%", ""},
		{"//", "%LMQ%%%", ""},
		{"a//b", "%LMQ%a%%b%", "a"},
		{"a b/~", "%LMQ%a b%~%", "a b"},
		{"温度/é", "%LMQ%温度%é%", "温度"},
		{"$SYS/x", "%LMQ%$SYS%x%", "$SYS"},
		// Hashed: SHA-256 of the normalised name, checked with openssl and base32.
		{"t/50%", "%LMQ%t%~3C4UOMGNNQN7SDCGCNPK7QIALZMKM3ANMX3SOSUGRO76VEIUGOCA", "t"},
		{"t/50%/", "%LMQ%t%~3C4UOMGNNQN7SDCGCNPK7QIALZMKM3ANMX3SOSUGRO76VEIUGOCA", "t"},
		{"a,b", "%LMQ%%~", "a,b"},
		{"t/\x01", "%LMQ%t%~", "t"},
		{"t/\u200b", "%LMQ%t%~", "t"},
		{"t/" + long, "%LMQ%t%~", "t"},
		{long + "/t", "%LMQ%%~", long},
	} {
		if got := LMQ(c.name); got != c.lmq && !(strings.HasSuffix(c.lmq, "%~") && strings.HasPrefix(got, c.lmq) && IsHashedLMQ(got)) {
			t.Errorf("LMQ(%.20q) = %q, want %q", c.name, got, c.lmq)
		}
		if got := First(c.name); got != c.first {
			t.Errorf("First(%.20q) = %q, want %q", c.name, got, c.first)
		}
	}
}

func TestLMQLength(t *testing.T) {
	for n := 180; n < 210; n++ {
		name := "t/" + strings.Repeat("x", n)
		clear := len("%LMQ%")+len(name)+1 <= 200
		if got := LMQ(name); IsHashedLMQ(got) == clear || len(got) > 200 {
			t.Errorf("LMQ of %d bytes = %q", len(name), got)
		}
		if got := LMQ(strings.Repeat("f", n-60) + "/%"); len(got) > 200 {
			t.Errorf("%d bytes: %q", len(got), got)
		}
	}
}

// checkList is the check that stands before every send: a name without prefix wedges the broker's index, a repeated one
// loses the message.
func checkList(list string) error {
	seen := map[string]bool{}
	for _, name := range strings.Split(list, ",") {
		switch {
		case !strings.HasPrefix(name, "%LMQ%"), name == "%LMQ%":
			return errors.New("not the name of an LMQ")
		case seen[name]:
			return errors.New("repeated name")
		case strings.ContainsAny(name, "\x00\x01\x02\r\n") || !utf8.ValidString(name):
			return errors.New("bytes that break the list")
		case len(name) > MaxLMQBytes:
			return errors.New("long name")
		}
		seen[name] = true
	}
	return nil
}

func FuzzLMQ(f *testing.F) {
	for _, s := range []string{"t", "t/r1", "/t/x", "a,b", "a%b/c", "\xff/a", strings.Repeat("y", 250), "t/\x01", "~/~"} {
		f.Add(s, s+"/")
		f.Add(s, "t/r1")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" {
			return
		}
		la, lb := LMQ(a), LMQ(b)
		list := la
		if la != lb {
			list += "," + lb
		}
		if err := checkList(list); err != nil {
			t.Fatalf("%q, %q -> %q: %v", a, b, list, err)
		}
		if la == lb && normalised(a) != normalised(b) {
			t.Errorf("%q and %q share %q", a, b, la)
		}
		if ordinary(a) == IsHashedLMQ(la) && len(LMQPrefix)+len(normalised(a)) <= MaxLMQBytes {
			t.Errorf("LMQ(%q) = %q", a, la)
		}
		RocketMQTopic(a, b, nil)
		P2P(a)
	})
}

func normalised(s string) string {
	if strings.Contains(s, "/") && !strings.HasSuffix(s, "/") {
		return s + "/"
	}
	return s
}

func TestP2P(t *testing.T) {
	for _, c := range []struct{ name, clientID string }{
		{"chat/p2p/gold1", "gold1"},
		{"chat/p2p/gold1/sub/x", "gold1"},
		{"/chat/p2p/gold1", "gold1"},
		{"chat/p2p/a%b,", "a%b,"},
		{"chat/p2p", ""},
		{"chat/p2p/", ""},
		{"chat/p2p//x", ""},
		{"p2p/gold1", ""},
		{"/p2p/gold1", ""},
		{"//p2p/gold1", ""},
		{"chat/x/p2p/gold1", ""},
		{"chat/p2px/gold1", ""},
		{"chat", ""},
	} {
		if got, ok := P2P(c.name); got != c.clientID || ok != (c.clientID != "") {
			t.Errorf("P2P(%q) = %q, %v", c.name, got, ok)
		}
	}
	if got := P2PLMQ("c1"); got != "%LMQ%%p2p%c1%" {
		t.Errorf("P2PLMQ = %q", got)
	}
	if got := P2PLMQ("a,b"); !strings.HasPrefix(got, "%LMQ%p2p%~") || !IsHashedLMQ(got) {
		t.Errorf("P2PLMQ = %q", got)
	}
}

func TestRocketMQTopic(t *testing.T) {
	ok := []string{"t", "A-z_09", "RETRY", "rmq_sys", "CID_x", "lmq", strings.Repeat("a", 127)}
	for _, first := range ok {
		for _, name := range []string{first, first + "/x", "/" + first + "/x"} {
			if got := RocketMQTopic(name, "other", nil); got != first {
				t.Errorf("RocketMQTopic(%q) = %q", name, got)
			}
		}
	}
	fallback := []string{
		"/", "//t", "a b", "温度", "a%b", "%RETRY%g", "%DLQ%g", "%LMQ%x", "a.b", "a|b", "+", strings.Repeat("a", 128),
		"TBW102", "SCHEDULE_TOPIC_XXXX", "SCHEDULE_TOPIC_XXXX_V2", "BenchmarkTest", "RMQ_SYS_TRANS_HALF_TOPIC",
		"RMQ_SYS_TRACE_TOPIC", "RMQ_SYS_TRANS_OP_HALF_TOPIC", "TRANS_CHECK_MAX_TIME_TOPIC", "SELF_TEST_TOPIC",
		"OFFSET_MOVED_EVENT", "CHECKPOINT_TOPIC", "rmq_sys_wheel_timer", "rmq_sys_REVIVE_LOG_c", "CID_RMQ_SYS_x",
		"DefaultCluster", "DefaultCluster_REPLY_TOPIC",
	}
	for _, first := range fallback {
		if got := RocketMQTopic(first+"/x", "other", nil); got != "other" {
			t.Errorf("RocketMQTopic(%q) = %q", first+"/x", got)
		}
	}
	only := func(first string) bool { return first == "chat" }
	if got := RocketMQTopic("chat/x", "other", only); got != "chat" {
		t.Errorf("allowed first level gives %q", got)
	}
	if got := RocketMQTopic("chess/x", "other", only); got != "other" {
		t.Errorf("first level that is not allowed gives %q", got)
	}
}

func ExampleLMQ() {
	fmt.Println(LMQ("chat/r1"))
	fmt.Println(LMQ("chat/#"))
	// Output:
	// %LMQ%chat%r1%
	// %LMQ%chat%#%
}

func BenchmarkLMQ(b *testing.B) {
	for form, name := range map[string]string{"clear": "sensors/kitchen/temperature", "hashed": "sensors/kitchen/100%"} {
		b.Run(form, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				LMQ(name)
			}
		})
	}
}

func TestPrivateTo(t *testing.T) {
	for _, c := range []struct{ filter, clientID string }{
		{"chat/p2p/c1", "c1"},
		{"chat/p2p/c1/#", "c1"},
		{"chat/p2p/c1/", "c1"},
		{"+/p2p/c1/x", "c1"},
		{"/chat/p2p/c1", "c1"},
		{"/p2p/c1", "c1"},
		{"/p2p/c1/", "c1"},
		{"/p2p/a%b", "a%b"},
		{"/p2p/p2p/c1", "c1"},
		{"/p2p/c1/x", ""},
		{"/p2p/c1//", ""},
		{"/p2p/+", ""},
		{"/p2p/#", ""},
		{"/p2p//", ""},
		{"p2p/c1", ""},
		{"chat/p2p/+", ""},
		{"chat/p2p/#", ""},
		{"chat/p2p", ""},
		{"chat/+/c1", ""},
		{"#", ""},
	} {
		id, ok := PrivateTo(c.filter)
		if id != c.clientID || ok != (id != "") {
			t.Errorf("PrivateTo(%q) = %q, %v", c.filter, id, ok)
		}
	}
	if ValidFilter(OwnFilter) == nil {
		t.Error("a client can subscribe to OwnFilter")
	}
}

// FuzzPrivateTo: no filter but one's own reads the queue of a client, or matches a message to it that is dispatched elsewhere.
func FuzzPrivateTo(f *testing.F) {
	f.Add("/p2p/c1/", "c1")
	f.Add("a/p2p/c1/#", "c1")
	f.Add("/p2p/a%b", "a%b")
	f.Fuzz(func(t *testing.T, filter, id string) {
		if ValidFilter(filter) != nil || !Addressable(id) {
			return
		}
		if got, ok := P2P("x/p2p/" + id); !ok || got != id {
			t.Errorf("%q is no point to point name", "x/p2p/"+id)
		}
		if got, _ := PrivateTo(filter); got != id && LMQ(filter) == P2PLMQ(id) {
			t.Errorf("%q reads the queue of %q", filter, id)
		}
	})
}
