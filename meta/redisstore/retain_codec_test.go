package redisstore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lmqgate/meta/message"
	"lmqgate/meta/retain"
)

// RetainKeys gives tests the keys of a topic: that of its index, and that of its value.
func RetainKeys(prefix, topic string) (index, value string) {
	slot := keys{prefix}.retained(retainShard(topic))
	return slot.index(), slot.value(topic)
}

// The bytes are what is stored in production: a change of them is a change of the format.
func TestRetainedBytes(t *testing.T) {
	m := &message.Message{
		Topic: "t", Payload: []byte("hi"), QoS: 2, Retain: true, Key: "K", Publisher: "p", BornMillis: 1,
		Properties: message.Properties{
			HasFormat: true, PayloadFormat: 1, HasExpiry: true, Expiry: 300, ContentType: "c", ResponseTopic: "r",
			CorrelationData: []byte{0}, User: []message.UserProperty{{Key: "a", Value: "b"}},
		},
	}
	want := "01" + "3e" + "02" + "ac02" + "0100" + "0163" + "0172" + "01" + "01610162" + "014b" + "0170" + "6869"
	if got := hex.EncodeToString(encodeRetained(m)); got != want {
		t.Errorf("stored as %s, want %s", got, want)
	}
	index, value := RetainKeys("p:", "a/b")
	if index != "p:ret:{r12}:i" || value != "p:ret:{r12}:v:a/b" {
		t.Errorf("keys %s and %s", index, value)
	}
}

func FuzzRetained(f *testing.F) {
	for _, m := range []*message.Message{
		{Payload: []byte("x")},
		{Payload: []byte{0}, QoS: 2, BornMillis: -1, Key: "K", Publisher: "p", Properties: message.Properties{
			HasFormat: true, PayloadFormat: 1, HasExpiry: true, Expiry: 1<<32 - 1, CorrelationData: []byte{}, ContentType: "c",
			ResponseTopic: "r", User: []message.UserProperty{{Key: "a", Value: "b"}, {}},
		}},
	} {
		f.Add(string(encodeRetained(m)))
	}
	f.Add("")
	f.Add("\x02x")
	f.Add("\x01\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Fuzz(func(t *testing.T, value string) {
		m, err := decodeRetained("t", value)
		if err != nil {
			if !errors.Is(err, retain.ErrFormat) {
				t.Errorf("%v is not ErrFormat", err)
			}
			return
		}
		again, err := decodeRetained("t", string(encodeRetained(m)))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(m, again, cmp.Comparer(bytes.Equal)); d != "" {
			t.Error(d)
		}
	})
}

func FuzzRetainCursor(f *testing.F) {
	f.Add("0:")
	f.Add("3:a/\x01")
	f.Add("15:::")
	f.Fuzz(func(t *testing.T, cursor string) {
		at, err := parseRetainCursor(cursor, 0, retainShards-1)
		if err != nil || cursor == "" {
			return
		}
		if at.shard < 0 || at.shard >= retainShards {
			t.Errorf("shard %d", at.shard)
		}
		again, err := parseRetainCursor(at.cursor(), 0, retainShards-1)
		if err != nil || again != at {
			t.Errorf("%+v is read back as %+v, %v", at, again, err)
		}
	})
}

// Tree order puts a topic's branch right behind it, whatever the bytes of its neighbours are.
func FuzzTreeOrder(f *testing.F) {
	f.Add("a", "b", "a-")
	f.Add("", "\x01", "\x01")
	f.Fuzz(func(t *testing.T, parent, level, other string) {
		if strings.Contains(parent+level+other, "\x00") {
			return
		}
		top, below, o := treeOrder(parent), treeOrder(parent+"/"+level), treeOrder(other)
		if fromTreeOrder(below) != parent+"/"+level || below <= top || below >= top+"\x01" {
			t.Errorf("%q is not in the branch of %q", below, top)
		}
		inside := other == parent || strings.HasPrefix(other, parent+"/")
		if inside != (o >= top && o < top+"\x01") {
			t.Errorf("%q in the branch of %q: %v", o, top, !inside)
		}
	})
}

func TestRetainQuota(t *testing.T) {
	q := newRetainQuota(1000) // counted every 10
	if q.take() {
		t.Error("nothing was counted")
	}
	if !q.takeCounted(995) {
		t.Error("there is room for five")
	}
	for range 4 {
		if !q.take() {
			t.Error("there is room")
		}
	}
	if q.take() || q.takeCounted(995) {
		t.Error("five are on their way, the sixth was let in")
	}
	for range 4 {
		q.done(true, 0)
	}
	q.done(true, 1)
	if q.count != 996 || q.inflight != 0 || !q.take() {
		t.Errorf("counted %d, %d on their way", q.count, q.inflight)
	}
	q.done(true, 1)
	q.done(false, -2000)
	if q.count != 0 {
		t.Errorf("counted %d", q.count)
	}
	for range 8 {
		if !q.take() {
			t.Error("there is room")
		}
		q.done(true, 1)
	}
	if q.take() {
		t.Error("ten were added without a count")
	}
}
