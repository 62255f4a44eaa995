package rocketmq

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

func TestCheckDispatch(t *testing.T) {
	var many []string
	for i := range 2000 {
		many = append(many, fmt.Sprintf("%%LMQ%%%d", i))
	}
	for what, c := range map[string]struct {
		names []string
		good  bool
	}{
		"none":           {nil, true},
		"usual":          {[]string{"%LMQ%t%a%", "%LMQ%t%+%"}, true},
		"unicode":        {[]string{"%LMQ%t%ü%"}, true},
		"no prefix":      {[]string{"%LMQ%a", "foo"}, false},
		"prefix inside":  {[]string{"x%LMQ%a"}, false},
		"empty":          {[]string{""}, false},
		"only prefix":    {[]string{"%LMQ%"}, false},
		"comma":          {[]string{"%LMQ%a,b"}, false},
		"separator":      {[]string{"%LMQ%a\x01b"}, false},
		"newline":        {[]string{"%LMQ%a\n"}, false},
		"twice":          {[]string{"%LMQ%a", "%LMQ%b", "%LMQ%a"}, false},
		"too many":       {many, false},
		"as many as fit": {many[:900], true},
	} {
		if err := CheckDispatch(c.names); (err == nil) != c.good || err != nil && !errors.Is(err, ErrDispatchList) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestRoomIsKept: what DispatchRoom allows is sent, and fits into the broker's
// 32,767 bytes with 19 digits for each offset.
func TestRoomIsKept(t *testing.T) {
	props := map[string]string{"originMqttTopic": strings.Repeat("x", 10_000)}
	room := DispatchRoom("MQTT_COMMON", props)
	var names []string
	for i := 0; ; i++ {
		name := fmt.Sprintf("%%LMQ%%%d", i)
		if DispatchBytes(append(names, name)) > room {
			break
		}
		names = append(names, name)
	}
	m := &OutMessage{Tag: "MQTT_COMMON", Key: NewKey(), Properties: props, Dispatch: names}
	p, err := properties(m)
	if err != nil {
		t.Fatal(err)
	}
	p[remoting.PropertyMultiQueueOffset] = strings.Repeat(strings.Repeat("9", 19)+",", len(names))
	if n := len(encodeProperties(p)); n > MaxPropertiesBytes || n < MaxPropertiesBytes-100 {
		t.Errorf("%d bytes", n)
	}
	m.Dispatch = append(names, "%LMQ%one", "%LMQ%two")
	if _, err := properties(m); !errors.Is(err, ErrProperties) {
		t.Errorf("more than there is room for: %v", err)
	}
}

func TestLMQOffset(t *testing.T) {
	for _, c := range []struct {
		names, offsets, name string
		want                 int64
		ok                   bool
	}{
		{"%LMQ%a,%LMQ%b", "5,7", "%LMQ%b", 7, true},
		{"%LMQ%a,%LMQ%b", "5,7", "%LMQ%a", 5, true},
		{"%LMQ%a", "0", "%LMQ%a", 0, true},
		{"%LMQ%a,%LMQ%b", "5", "%LMQ%b", 0, false},
		{"%LMQ%a", "x", "%LMQ%a", 0, false},
		{"%LMQ%a", "-1", "%LMQ%a", -1, false},
		{"%LMQ%ab", "5", "%LMQ%a", 0, false},
		{"", "", "%LMQ%a", 0, false},
	} {
		p := remoting.AppendProperty(nil, remoting.PropertyMultiDispatch, c.names)
		p = remoting.AppendProperty(p, remoting.PropertyMultiQueueOffset, c.offsets)
		got, ok := lmqOffset(p, c.name)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%+v: %d, %v", c, got, ok)
		}
	}
}

func FuzzLMQOffset(f *testing.F) {
	f.Add("%LMQ%a,%LMQ%b", "5,7")
	f.Fuzz(func(t *testing.T, names, offsets string) {
		p := remoting.AppendProperty(nil, remoting.PropertyMultiDispatch, names)
		p = remoting.AppendProperty(p, remoting.PropertyMultiQueueOffset, offsets)
		if v, ok := lmqOffset(p, "%LMQ%b"); ok && v < 0 {
			t.Fatal(v)
		}
	})
}

func TestNewKey(t *testing.T) {
	seen := make(map[string]bool)
	for range 50_000 {
		k := NewKey()
		if len(k) != 32 || strings.Trim(k, "0123456789ABCDEF") != "" {
			t.Fatalf("key %q", k)
		}
		if seen[k] {
			t.Fatalf("%q twice", k)
		}
		seen[k] = true
	}
}

func TestBucket(t *testing.T) {
	now := time.Unix(0, 0)
	b := newBucket(100, 10, now)
	for i := range 10 {
		if d := b.take(now); d != 0 {
			t.Errorf("token %d waits %v", i, d)
		}
	}
	if d := b.take(now); d != 10*time.Millisecond {
		t.Errorf("the next waits %v", d)
	}
	now = now.Add(time.Hour)
	for i := range 10 {
		if d := b.take(now); d != 0 {
			t.Errorf("token %d waits %v", i, d)
		}
	}
	if d := b.take(now); d == 0 {
		t.Error("more than the burst after a pause")
	}
}

func TestCodes(t *testing.T) {
	var code int32
	if !scanCode("CODE: 13, DESC: the message is illegal", &code) || code != 13 {
		t.Errorf("code %d", code)
	}
	if scanCode("request timeout", &code) {
		t.Error("a code where there is none")
	}
}
