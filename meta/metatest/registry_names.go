package metatest

import (
	"fmt"
	"slices"
	"testing"

	"lmqgate/meta/registry"
)

func oddFilters(t *testing.T, b *Backend) {
	s := b.Open(t)
	var holds []registry.Hold
	var wild, exact []string
	for i, name := range oddNames() {
		for _, id := range oddNames()[:8] {
			holds = append(holds,
				registry.Hold{Filter: name, ClientID: id, Epoch: 1, Seq: uint64(i)},
				registry.Hold{Filter: name + "/+", ClientID: id, Epoch: 1, Seq: uint64(i)})
		}
		exact, wild = append(exact, name), append(wild, name+"/+")
	}
	v := snapshot(t, s)
	hold(t, s, holds...)
	v.follow(t, s)
	v.want(t, wild...)
	snapshot(t, s).want(t, wild...)
	_, held := v.follow(t, s, exact...)
	if slices.Contains(held, false) {
		t.Errorf("not all are held: %v", held)
	}
	release(t, s, holds[:len(holds)-1]...)
	v.follow(t, s)
	v.want(t, wild[len(wild)-1])
}

func pages(t *testing.T, b *Backend) {
	s := b.Open(t)
	var holds []registry.Hold
	want := make(map[string]bool)
	for i := range 300 {
		for _, f := range []string{fmt.Sprint("exact/", i), fmt.Sprint("wild/", i, "/#")} {
			holds = append(holds, registry.Hold{Filter: f, ClientID: "c", Epoch: 1, Seq: 1})
			want[f] = true
		}
		holds = append(holds, registry.Hold{Filter: "busy", ClientID: fmt.Sprint("c", i), Epoch: 1, Seq: uint64(i)})
	}
	want["busy"] = true
	hold(t, s, holds...)
	got := make(map[string]bool)
	for cursor, first := "", true; first || cursor != ""; first = false {
		page, next, err := s.Filters(t.Context(), cursor, 25)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page {
			got[f] = true
		}
		cursor = next
	}
	equal(t, "filters", got, want)
	if _, _, err := s.Filters(t.Context(), "nonsense", 10); err == nil {
		t.Error("a malformed cursor is taken")
	}
	clients := make(map[string]uint64)
	for cursor, first := uint64(0), true; first || cursor != 0; first = false {
		page, next, err := s.Holders(t.Context(), "busy", cursor, 25)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range page {
			clients[h.ClientID] = h.Seq
		}
		cursor = next
	}
	if len(clients) != 300 || clients["c299"] != 299 {
		t.Errorf("%d holders", len(clients))
	}
}
