package metatest

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"lmqgate/meta/status"
)

// StatusBackend is one set of figures under test.
type StatusBackend struct {
	// Open opens a further store on the same data, as another instance would.
	Open func(t *testing.T) status.Peers
	// Pass returns when the store's clock has advanced by d; see Backend.
	Pass func(t *testing.T, d time.Duration)
}

// Status is the contract of status.Peers.
func Status(t *testing.T, open func(t *testing.T) *StatusBackend) {
	for name, test := range map[string]func(*testing.T, *StatusBackend){
		"Report": statusReport, "Over": statusOver, "Forget": statusForget, "Names": statusNames,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func report(t *testing.T, p status.Peers, f status.Figures, ttl time.Duration) {
	t.Helper()
	if err := p.Report(t.Context(), f, ttl); err != nil {
		t.Fatalf("report %q: %v", f.Instance, err)
	}
}

func wantStatus(t *testing.T, p status.Peers, want ...status.Figures) {
	t.Helper()
	got, err := p.All(t.Context())
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("all: %+v, %v, want %+v", got, err, want)
	}
}

func statusReport(t *testing.T, b *StatusBackend) {
	one, two := b.Open(t), b.Open(t)
	wantStatus(t, one)
	most := status.Figures{
		Instance: "b", Version: `v1 "x" é`, Uptime: 1, Connected: 2, Maximum: 3, Subscriptions: 4, MessagesReceived: math.MaxInt64,
		MessagesSent: 1<<53 + 1, PublishReceived: 5, PublishSent: 6, PublishDropped: 7, BytesReceived: 8, BytesSent: 9,
	}
	report(t, one, most, time.Hour)
	report(t, two, status.Figures{Instance: "a", Connected: 1}, time.Hour)
	wantStatus(t, one, status.Figures{Instance: "a", Connected: 1}, most)
	report(t, two, status.Figures{Instance: "a", Connected: 2}, time.Hour)
	wantStatus(t, two, status.Figures{Instance: "a", Connected: 2}, most)
}

func statusOver(t *testing.T, b *StatusBackend) {
	p := b.Open(t)
	report(t, p, status.Figures{Instance: "long"}, time.Hour)
	report(t, p, status.Figures{Instance: "short"}, time.Millisecond)
	b.Pass(t, 2*time.Millisecond)
	wantStatus(t, p, status.Figures{Instance: "long"})
	report(t, p, status.Figures{Instance: "other"}, time.Hour)
	wantStatus(t, p, status.Figures{Instance: "long"}, status.Figures{Instance: "other"})
	report(t, p, status.Figures{Instance: "short", Connected: 1}, time.Hour)
	wantStatus(t, p, status.Figures{Instance: "long"}, status.Figures{Instance: "other"}, status.Figures{Instance: "short", Connected: 1})
}

func statusForget(t *testing.T, b *StatusBackend) {
	p := b.Open(t)
	report(t, p, status.Figures{Instance: "a"}, time.Hour)
	report(t, p, status.Figures{Instance: "b"}, time.Hour)
	for range 2 {
		if err := p.Forget(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, p, status.Figures{Instance: "b"})
	}
}

func statusNames(t *testing.T, b *StatusBackend) {
	p := b.Open(t)
	var want []status.Figures
	for i, name := range sorted(oddNames()) {
		f := status.Figures{Instance: name, Version: fmt.Sprint(i), Connected: int64(i)}
		report(t, p, f, time.Hour)
		want = append(want, f)
	}
	wantStatus(t, p, want...)
}
