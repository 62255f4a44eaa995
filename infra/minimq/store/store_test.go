package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func message(topic, body string, lmqs ...string) *Message {
	m := &Message{Topic: topic, Body: []byte(body), Properties: map[string]string{"UNIQ_KEY": body}}
	if len(lmqs) > 0 {
		m.Properties["INNER_MULTI_DISPATCH"] = strings.Join(lmqs, ",")
	}
	return m
}

func put(t *testing.T, s *Store, m *Message) Stored {
	t.Helper()
	st, err := s.Put(m)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func bodies(t *testing.T, r Result) string {
	t.Helper()
	var out []string
	for _, raw := range r.Messages {
		p, err := Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(p.Body))
	}
	return strings.Join(out, " ")
}

func TestIndexLags(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []Arrival
		s := New(Config{IndexLag: 10 * time.Millisecond, Arrived: func(a Arrival) { told = append(told, a) }})
		defer s.Close()
		put(t, s, message("t", "one", "%LMQ%a", "%LMQ%b"))
		if n := s.MaxOffset("%LMQ%a", 0); n != 0 {
			t.Errorf("maximum at once: %d", n)
		}
		if s.BehindBytes() == 0 {
			t.Error("nothing is behind")
		}
		time.Sleep(9 * time.Millisecond)
		synctest.Wait()
		if n := s.MaxOffset("t", 0); n != 0 {
			t.Errorf("maximum after 9 ms: %d", n)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if n := s.MaxOffset("%LMQ%b", 0); n != 1 {
			t.Errorf("maximum after 10 ms: %d", n)
		}
		if len(told) != 3 || told[0].Topic != "t" || told[2].Topic != "%LMQ%b" || told[2].Max != 1 {
			t.Errorf("arrivals: %+v", told)
		}
		if n := s.BehindBytes(); n != 0 {
			t.Errorf("%d bytes behind", n)
		}
	})
}

func TestStalledIndexResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{IndexLag: time.Millisecond})
		defer s.Close()
		s.Stall(true)
		put(t, s, message("t", "one", "%LMQ%a"))
		time.Sleep(time.Hour)
		if n := s.MaxOffset("%LMQ%a", 0); n != 0 {
			t.Fatalf("stalled index reached %d", n)
		}
		s.Stall(false)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if n := s.MaxOffset("%LMQ%a", 0); n != 1 {
			t.Errorf("resumed index reached %d", n)
		}
	})
}

func TestStalledIndexFillsTheDisk(t *testing.T) {
	s := New(Config{MaxBytes: 10_000})
	s.Stall(true)
	var err error
	stored := 0
	for err == nil && stored < 100 {
		_, err = s.Put(message("t", strings.Repeat("x", 500)))
		stored++
	}
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("after %d messages: %v", stored, err)
	}
	if n := s.Bytes(); n > 12_000 {
		t.Errorf("%d bytes kept", n)
	}
	s.Stall(false)
	put(t, s, message("t", "goes on"))
}

// A name that is no LMQ stops the index; RocksDB's refuses writes 3 s later, the
// file index never does.
func TestBadNameWedges(t *testing.T) {
	for _, file := range []bool{false, true} {
		t.Run(fmt.Sprintf("file=%v", file), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Config{IndexLag: time.Millisecond, FileIndex: file})
				defer s.Close()
				put(t, s, message("t", "bad", "foo", "%LMQ%x"))
				put(t, s, message("t", "good", "%LMQ%x"))
				time.Sleep(time.Second)
				synctest.Wait()
				if !s.Wedged() || s.MaxOffset("t", 0) != 0 || s.MaxOffset("%LMQ%x", 0) != 0 {
					t.Error("the index went on")
				}
				put(t, s, message("t", "accepted still", "%LMQ%x"))
				time.Sleep(3 * time.Second)
				_, err := s.Put(message("t", "later", "%LMQ%x"))
				if refused := errors.Is(err, ErrUnavailable); refused == file {
					t.Errorf("after 4 s: %v", err)
				}
				s.Unwedge()
				time.Sleep(time.Second)
				synctest.Wait()
				if n := s.MaxOffset("%LMQ%x", 0); n < 3 {
					t.Errorf("after unwedging the maximum is %d", n)
				}
			})
		})
	}
}

func TestMaxBytesDropsOldest(t *testing.T) {
	s := New(Config{MaxBytes: 20_000})
	for i := range 100 {
		put(t, s, message("t", fmt.Sprint("m", i, strings.Repeat("x", 500)), "%LMQ%busy"))
		if i == 0 {
			put(t, s, message("t", "rare", "%LMQ%rare"))
		}
	}
	if n := s.Bytes(); n > 20_000 || n < 15_000 {
		t.Errorf("%d bytes kept", n)
	}
	low, high := s.MinOffset("%LMQ%busy", 0), s.MaxOffset("%LMQ%busy", 0)
	if high != 100 || low < 70 || low >= 100 {
		t.Errorf("busy from %d to %d", low, high)
	}
	if r := s.Get("%LMQ%busy", 0, 10, 1, nil); r.Status != TooSmall || r.Next != low || r.Min != low || r.Max != 100 {
		t.Errorf("below the minimum: %+v", r)
	}
	// All of its messages are gone: it keeps its offsets.
	if low, high := s.MinOffset("%LMQ%rare", 0), s.MaxOffset("%LMQ%rare", 0); low != 1 || high != 1 {
		t.Errorf("rare from %d to %d", low, high)
	}
	if r := s.Get("%LMQ%rare", 0, 0, 1, nil); r.Status != TooSmall || r.Next != 1 {
		t.Errorf("rare: %+v", r)
	}
	put(t, s, message("t", "again", "%LMQ%rare"))
	if r := s.Get("%LMQ%rare", 0, 1, 1, nil); bodies(t, r) != "again" || r.Min != 1 || r.Max != 2 {
		t.Errorf("rare again: %+v", r)
	}
	if n := s.Stats().Messages; n > 40 {
		t.Errorf("%d messages kept", n)
	}
}

func TestFileIndexRestartsAtZero(t *testing.T) {
	s := New(Config{FileIndex: true})
	for range 3 {
		put(t, s, message("t", "old", "%LMQ%a"))
	}
	s.ExpireAll()
	if r := s.Get("%LMQ%a", 0, 3, 1, nil); r.Status != NoMessage || r.Max != 0 {
		t.Errorf("after expiry: %+v", r)
	}
	put(t, s, message("t", "new", "%LMQ%a"))
	if r := s.Get("%LMQ%a", 0, 3, 1, nil); r.Status != OverflowBadly || r.Next != 1 {
		t.Errorf("cursor of before: %+v", r)
	}
}

func TestMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{MaxAge: time.Hour})
		put(t, s, message("t", "old", "%LMQ%a"))
		time.Sleep(59 * time.Minute)
		put(t, s, message("t", "new", "%LMQ%a"))
		time.Sleep(2 * time.Minute)
		if low := s.MinOffset("%LMQ%a", 0); low != 1 {
			t.Errorf("minimum %d", low)
		}
	})
}

func TestExpireQueueTakesOlderOnes(t *testing.T) {
	s := New(Config{})
	for i := range 6 {
		put(t, s, message("t", fmt.Sprint(i), []string{"%LMQ%even", "%LMQ%odd"}[i%2]))
	}
	s.ExpireQueue("%LMQ%even", 0, 2)
	if low := s.MinOffset("%LMQ%even", 0); low != 2 {
		t.Errorf("even from %d", low)
	}
	if low := s.MinOffset("%LMQ%odd", 0); low != 1 {
		t.Errorf("odd from %d", low)
	}
}

func TestRollbackGivesOffsetsAgain(t *testing.T) {
	s := New(Config{})
	for i := range 4 {
		put(t, s, message("t", fmt.Sprint("old", i), "%LMQ%a"))
	}
	s.Rollback("%LMQ%a", 0, 2)
	put(t, s, message("t", "new", "%LMQ%a"))
	if r := s.Get("%LMQ%a", 0, 0, 32, nil); bodies(t, r) != "old0 old1 new" {
		t.Errorf("after rollback: %s", bodies(t, r))
	}
}

func TestByKeyFollowsExpiry(t *testing.T) {
	s := New(Config{})
	m := message("t", "one")
	m.Properties["KEYS"] = "k1 k2"
	put(t, s, m)
	put(t, s, message("t", "two"))
	if r := s.ByKey("t", "k2", 10, 0, 1<<62); len(r.Messages) != 1 {
		t.Errorf("by key: %d", len(r.Messages))
	}
	s.ExpireAll()
	if r := s.ByKey("t", "k2", 10, 0, 1<<62); len(r.Messages) != 0 {
		t.Errorf("by key after expiry: %d", len(r.Messages))
	}
	if n := len(s.keys); n != 0 {
		t.Errorf("%d keys kept", n)
	}
}

func TestClosedStoreRefusesAndReopens(t *testing.T) {
	s := New(Config{IndexLag: time.Hour})
	put(t, s, message("t", "one", "%LMQ%a"))
	s.Close()
	if _, err := s.Put(message("t", "two")); !errors.Is(err, ErrUnavailable) {
		t.Errorf("closed store: %v", err)
	}
	s.Reopen()
	put(t, s, message("t", "three", "%LMQ%a"))
	s.Close()
}

// Dispatch lists as Java splits and joins them.
func TestParseRefs(t *testing.T) {
	tests := []struct {
		list string
		refs int
		bad  bool
	}{
		{"%LMQ%a", 1, false},
		{"%LMQ%a,%LMQ%b,", 2, false},
		{"foo,%LMQ%a", 0, true},
		{"%LMQ%a,foo", 0, false},
		{"foo", 0, false},
		{"%LMQ%a,foo,%LMQ%b", 0, true},
		{",", 0, false},
		{",%LMQ%a", 0, true},
	}
	for _, tt := range tests {
		s := New(Config{})
		names := javaSplit(tt.list)
		refs, bad := parseRefs(names, javaSplit(s.lmqOffsets(names)))
		if len(refs) != tt.refs || bad != tt.bad {
			t.Errorf("%q: %v, %v", tt.list, refs, bad)
		}
	}
}

func TestHashTags(t *testing.T) {
	for tag, want := range map[string]int64{"": 0, "A": 65, "MQTT_COMMON": -392179866, "中": 20013, "😀": 1772899} {
		if got := HashTags(tag); got != want {
			t.Errorf("%q: %d, want %d", tag, got, want)
		}
	}
}

func BenchmarkPutThreeLMQs(b *testing.B) {
	s := New(Config{MaxBytes: 64 << 20})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Put(message("t", "0123456789", "%LMQ%a", "%LMQ%b", "%LMQ%c")); err != nil {
			b.Fatal(err)
		}
	}
}
