package redisstore

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// The bytes are what is stored in production: a change of them is a change of the format.
func TestStoredBytes(t *testing.T) {
	for _, c := range []struct {
		name, want string
		got        []byte
	}{
		{
			"subscription",
			"01" + "2e" + "05" + "07" + "ac02" + "09" + "02" + "03" + "612f2b", // QoS 2, NL, RAP, RH 2; id, seq, epoch, seq, since, filter
			encodeSubscription(&session.Subscription{
				Filter: "a/+", QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2, ID: 5, Seq: 7,
				HoldEpoch: 300, HoldSeq: 9, SinceMillis: 1,
			}),
		},
		{
			"subscription with retained messages under way",
			"01" + "49" + "00" + "07" + "00" + "00" + "00" + "0161" + "027879", // QoS 1, RAP, retained; ..., filter, how far
			encodeSubscription(&session.Subscription{
				Filter: "a", QoS: 1, RetainAsPublished: true, Seq: 7, Retained: true, RetainedAt: "xy",
			}),
		},
		{
			"cursor",
			"01" + "02" + "04" + "01" + "06" + "08" + "0a" + "014b" + "0161" + "0162", // begin, next, 1 range, store, key, filter, broker
			encodeCursor(&session.Cursor{
				CursorKey: session.CursorKey{Filter: "a", Broker: "b"}, Begin: 1, Next: 2,
				Acked: []session.Range{{First: 3, Last: 4}}, LastKey: "K", LastStore: 5,
			}),
		},
		{
			"outbound",
			"01" + "ffff03" + "03" + "02" + "02" + "01" + "0161" + "0162" + "014b" + "01" + "026869", // id, order, QoS, state, offset, filter, broker, key, message
			encodeOutbound(&session.Outbound{
				PacketID: 65535, Order: 3, QoS: 2, State: session.OutReleased, Offset: -1,
				CursorKey: session.CursorKey{Filter: "a", Broker: "b"}, Key: "K", Message: []byte("hi"),
			}),
		},
		{
			"place of a will",
			"01" + "0174" + "0162" + "06", // topic, broker, queue
			encodePlace(message.Place{Topic: "t", Broker: "b", Queue: 3}),
		},
		{
			"inbound",
			"01" + "07" + "06" + "01" + "08" + "014b" + "0174" + "0162", // id, queue, done, at, key, topic, broker
			encodeInbound(&session.Inbound{PacketID: 7, Key: "K", Topic: "t", Broker: "b", Queue: 3, Done: true, AtMillis: 4}),
		},
	} {
		if got := hex.EncodeToString(c.got); got != c.want {
			t.Errorf("%s is stored as %s, want %s", c.name, got, c.want)
		}
	}
}

// fuzzDecode: whatever is stored is refused as ErrFormat or read; what was read is written and read the same again.
func fuzzDecode[T any](f *testing.F, decode func(string) (T, error), encode func(*T) []byte, seeds ...T) {
	for i := range seeds {
		f.Add(string(encode(&seeds[i])))
	}
	f.Add("")
	f.Add("\x02")
	f.Add("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")
	f.Fuzz(func(t *testing.T, value string) {
		v, err := decode(value)
		if err != nil {
			if !errors.Is(err, session.ErrFormat) {
				t.Errorf("%v is not ErrFormat", err)
			}
			return
		}
		again, err := decode(string(encode(&v)))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(v, again, cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	})
}

func FuzzSubscription(f *testing.F) {
	fuzzDecode(f, decodeSubscription, func(s *session.Subscription) []byte { return encodeSubscription(s) },
		session.Subscription{Filter: "a/#", QoS: 1, ID: 1<<32 - 1, HoldSeq: 1<<64 - 1, SinceMillis: -1 << 63},
		session.Subscription{Filter: "a", Retained: true, RetainedAt: "b"}, session.Subscription{Filter: "a", Retained: true})
}

func FuzzCursor(f *testing.F) {
	fuzzDecode(f, decodeCursor, func(c *session.Cursor) []byte { return encodeCursor(c) },
		session.Cursor{CursorKey: session.CursorKey{Filter: "a", Broker: "b"}, Next: 1<<63 - 1, Acked: []session.Range{{First: 1, Last: 2}}})
}

func FuzzOutbound(f *testing.F) {
	fuzzDecode(f, decodeOutbound, func(o *session.Outbound) []byte { return encodeOutbound(o) },
		session.Outbound{PacketID: 1, QoS: 1, State: session.OutSent, Message: []byte{0}})
}

func FuzzInbound(f *testing.F) {
	fuzzDecode(f, decodeInbound, func(in *session.Inbound) []byte { return encodeInbound(in) }, session.Inbound{PacketID: 1, Queue: -5})
}

func FuzzPlace(f *testing.F) {
	fuzzDecode(f, decodePlace, func(p *message.Place) []byte { return encodePlace(*p) },
		message.Place{Topic: "t", Broker: "b", Queue: 3}, message.Place{Queue: -1})
}

func FuzzWord(f *testing.F) {
	f.Add(`1{"k":"lost","c":"a","e":3}`)
	f.Add(`2{}`)
	f.Fuzz(func(t *testing.T, text string) {
		if w, err := decodeWord(text); err != nil && w.Kind == "lost" && text[0] != '1' {
			t.Error("a word of another format was read")
		}
	})
}

func FuzzEscape(f *testing.F) {
	f.Add("a}b", "a")
	f.Add("", "%")
	f.Fuzz(func(t *testing.T, a, b string) {
		k := keys{"p:"}
		id, ok := k.clientID(k.session(a))
		if !ok || id != a {
			t.Errorf("%q is read back as %q, %v", a, id, ok)
		}
		if (a == b) != (k.session(a) == k.session(b)) {
			t.Errorf("%q and %q share a key", a, b)
		}
	})
}
