package message

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDispatchOffsets(t *testing.T) {
	for _, c := range []struct {
		list, offsets string
		want          map[string]int64
	}{
		{"%LMQ%a,%LMQ%b", "7,9223372036854775807", map[string]int64{"%LMQ%a": 7, "%LMQ%b": 1<<63 - 1}},
		{"%LMQ%a,%LMQ%b", "7", map[string]int64{"%LMQ%a": 7}},
		{"%LMQ%a", "7,8", map[string]int64{"%LMQ%a": 7}},
		{"%LMQ%a,%LMQ%b,%LMQ%c", "x,-1,3", map[string]int64{"%LMQ%c": 3}},
		{"%LMQ%a,,%LMQ%c", "1,2,3", map[string]int64{"%LMQ%a": 1, "%LMQ%c": 3}},
		{"", "1", map[string]int64{}},
		{"%LMQ%a", "", map[string]int64{}},
	} {
		if got := maps.Collect(DispatchOffsets(c.list, c.offsets)); !maps.Equal(got, c.want) {
			t.Errorf("%q, %q: %v", c.list, c.offsets, got)
		}
		for name, want := range c.want {
			if got, ok := OffsetIn(c.list, c.offsets, name); !ok || got != want {
				t.Errorf("OffsetIn(%q, %q, %q) = %d, %v", c.list, c.offsets, name, got, ok)
			}
		}
		if _, ok := OffsetIn(c.list, c.offsets, "%LMQ%"); ok {
			t.Errorf("%q: a name that is not in the list has an offset", c.list)
		}
	}
}

func TestOffsetInDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { OffsetIn("%LMQ%a,%LMQ%b,%LMQ%c", "1,2,3", "%LMQ%c") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	sum := int64(0)
	if n := testing.AllocsPerRun(100, func() {
		for _, offset := range DispatchOffsets("%LMQ%a,%LMQ%b", "1,2") {
			sum += offset
		}
	}); n != 0 || sum == 0 {
		t.Errorf("%v allocations, sum %d", n, sum)
	}
}

func TestSplitDispatch(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 1000 {
		names := make([]string, r.IntN(50))
		for i := range names {
			names[i] = strings.Repeat("n", 1+r.IntN(200))
		}
		budget := 100 + r.IntN(3000)
		parts := SplitDispatch(names, budget)
		if got := slices.Concat(parts...); !slices.Equal(got, names) {
			t.Fatalf("names were lost or reordered: %d of %d", len(got), len(names))
		}
		for i, p := range parts {
			list := strings.Join(p, ",")
			offsets := strings.Repeat("18446744073709551615,", len(p)) // as long as an offset can be
			if len(list)+len(offsets) > budget && len(p) > 1 {
				t.Fatalf("part of %d names has %d bytes with offsets, budget %d", len(p), len(list)+len(offsets), budget)
			}
			if len(p) == 0 && len(names) > 0 {
				t.Fatalf("part %d is empty", i)
			}
		}
	}
	if parts := SplitDispatch(nil, 1000); len(parts) != 1 || len(parts[0]) != 0 {
		t.Errorf("without names: %v", parts)
	}
}

// A full part with the longest offsets stays below the broker's limit.
func TestBudget(t *testing.T) {
	m := Rocket{Properties: Encode(&Message{
		Topic: "a/b", Retain: true, Publisher: "c", Properties: Properties{ContentType: strings.Repeat("c", 5000)},
	}).Properties}
	var names []string
	for i := range 2000 {
		names = append(names, "%LMQ%a%"+strings.Repeat("x", i%150)+"%")
	}
	parts := SplitDispatch(names, m.Budget())
	if len(parts) < 3 {
		t.Fatalf("%d parts", len(parts))
	}
	for i, p := range parts {
		properties := maps.Clone(m.Part(i).Properties)
		properties[PropKey] = strings.Repeat("K", 32)
		properties[PropDispatch] = strings.Join(p, ",")
		properties[PropOffsets] = strings.Repeat("18446744073709551615,", len(p))
		size := 0
		for k, v := range properties {
			size += len(k) + 1 + len(v) + 1
		}
		if size > MaxProperties || i < len(parts)-1 && size < MaxProperties-3*brokerReserve {
			t.Errorf("part %d has %d bytes of properties", i, size)
		}
	}
}

func TestExpiry(t *testing.T) {
	born := time.UnixMilli(1_700_000_000_000)
	m := &Message{BornMillis: born.UnixMilli(), Properties: Properties{Expiry: 10, HasExpiry: true}}
	for _, c := range []struct {
		after     time.Duration
		remaining uint32
		expired   bool
	}{
		{-time.Hour, 10, false}, // clocks differ
		{0, 10, false},
		{time.Millisecond, 10, false},
		{time.Second, 9, false},
		{9999 * time.Millisecond, 1, false},
		{10 * time.Second, 0, true},
		{time.Hour, 0, true},
	} {
		now := born.Add(c.after)
		got, ok := m.Remaining(now)
		if !ok || got != c.remaining || m.Expired(now) != c.expired {
			t.Errorf("after %v: %d, %v, expired %v", c.after, got, ok, m.Expired(now))
		}
	}
	longest := &Message{BornMillis: born.UnixMilli(), Properties: Properties{Expiry: 1<<32 - 1, HasExpiry: true}}
	if got, _ := longest.Remaining(born); got != 1<<32-1 {
		t.Errorf("longest interval: %d", got)
	}
	never := &Message{BornMillis: born.UnixMilli()}
	if _, ok := never.Remaining(born.Add(time.Hour)); ok || never.Expired(born.Add(1000*time.Hour)) {
		t.Error("a message without interval expires")
	}
}

func BenchmarkOffsetIn(b *testing.B) {
	list, offsets := "%LMQ%chat%r1%,%LMQ%chat%+%,%LMQ%chat%#%", "1001,20,300000"
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := OffsetIn(list, offsets, "%LMQ%chat%#%"); !ok {
			b.Fatal("not found")
		}
	}
}
