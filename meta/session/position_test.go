package session

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func somePosition() []Cursor {
	return []Cursor{
		{
			CursorKey: CursorKey{Filter: "a/+", Broker: "broker-a"}, Begin: 3, Next: 1000, LastKey: "7F00000100002A9F000000000000A1B2", LastStore: 1795405340858,
			Acked: []Range{{First: 1000, Last: 1000}, {First: 1002, Last: 1009}}, AckedTill: 1795405340860,
		},
		{CursorKey: CursorKey{Filter: "b/#", Broker: "broker-b"}, Begin: -1, Next: -1, LastKey: "not hex", LastStore: 1},
		{CursorKey: CursorKey{Filter: "", Broker: ""}, LastKey: "abcdef"}, // in lower case: kept as it is
	}
}

func TestPosition(t *testing.T) {
	cursors := somePosition()
	text := EncodePosition(cursors)
	if strings.ContainsAny(text, " \n+/=") {
		t.Errorf("%q does not fit into a header and a URL", text)
	}
	places, err := DecodePosition(text)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range cursors {
		want := Place{Hash: FilterHash(c.Filter), Cursor: c}
		want.Filter = ""
		if d := cmp.Diff(want, places[i]); d != "" {
			t.Error(d)
		}
	}
	if n := len(EncodePosition(cursors[:1])); n > 80 {
		t.Errorf("one cursor takes %d characters", n)
	}
}

func TestPositionIsBounded(t *testing.T) {
	c := Cursor{Next: 5}
	for n := range int64(2 * maxPlaceAcked) {
		c.Acked = append(c.Acked, Range{First: 6 + 2*n, Last: 6 + 2*n})
	}
	places, err := DecodePosition(EncodePosition([]Cursor{c}))
	if err != nil || len(places[0].Acked) != maxPlaceAcked {
		t.Errorf("%v, %v", places, err)
	}
}

func TestPositionRefuses(t *testing.T) {
	whole := EncodePosition(somePosition()[:1])
	for _, text := range []string{"", "AA", "Ag", "AQAAAA", whole[:len(whole)-2], whole + "AA", whole + "=", whole + "\n", "\ndata\n\n" + whole, whole[:4] + "\r" + whole[4:], "%", strings.Repeat("A", maxPosition+1)} {
		if places, err := DecodePosition(text); !errors.Is(err, ErrPosition) {
			t.Errorf("%.60q: %v, %v", text, places, err)
		}
	}
}

func FuzzPosition(f *testing.F) {
	f.Add(EncodePosition(somePosition()))
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, text string) {
		places, err := DecodePosition(text)
		if err != nil {
			if !errors.Is(err, ErrPosition) {
				t.Fatal(err)
			}
			return
		}
		var cursors []Cursor
		for _, p := range places {
			cursors = append(cursors, p.Cursor)
		}
		again, err := DecodePosition(EncodePosition(cursors))
		if err != nil {
			t.Fatal(err)
		}
		for i := range again {
			again[i].Hash = places[i].Hash
		}
		if d := cmp.Diff(places, again); d != "" {
			t.Error(d)
		}
	})
}
