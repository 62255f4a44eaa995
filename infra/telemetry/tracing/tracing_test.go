package tracing

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"lmqgate/meta/message"
)

func TestContext(t *testing.T) {
	const id, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	for _, tt := range []struct {
		parent, state string
		want          string // encoded again, "" = invalid
		wantState     string
	}{
		{"00-" + id + "-" + span + "-01", "", "00-" + id + "-" + span + "-01", ""},
		{"00-" + id + "-" + span + "-00", "a=1,b=2", "00-" + id + "-" + span + "-00", "a=1,b=2"},
		{"00-" + id + "-" + span + "-ff", "", "00-" + id + "-" + span + "-01", ""},
		{"cc-" + id + "-" + span + "-01-more", "", "00-" + id + "-" + span + "-01", ""}, // of a later version
		{"00-" + id + "-" + span + "-01", "not a state", "00-" + id + "-" + span + "-01", ""},
		{"00-" + id + "-" + span + "-01-more", "", "", ""},
		{"ff-" + id + "-" + span + "-01", "", "", ""},
		{"00-" + id + "-0000000000000000-01", "", "", ""},
		{"00-00000000000000000000000000000000-" + span + "-01", "", "", ""},
		{"00-" + id[1:] + "-" + span + "-01", "", "", ""},
		{"00-4BF92F3577B34DA6A3CE929D0E0E4736-" + span + "-01", "", "", ""},
		{"", "", "", ""},
		{"---", "", "", ""},
		{"00-" + id + "-" + span + "-0g", "", "", ""},
	} {
		c := decode(tt.parent, tt.state)
		if !c.IsValid() {
			if tt.want != "" {
				t.Errorf("%q is taken for invalid", tt.parent)
			}
			continue
		}
		if parent, state := encode(c); parent != tt.want || state != tt.wantState {
			t.Errorf("%q, %q came out as %q, %q", tt.parent, tt.state, parent, state)
		}
	}
}

func TestReplaced(t *testing.T) {
	for name, tt := range map[string]struct {
		user user
		add  bool
		want user
	}{
		"none":        {user{{Key: "a", Value: "1"}}, false, user{{Key: "a", Value: "1"}}},
		"added":       {user{{Key: "a", Value: "1"}}, true, user{{Key: "a", Value: "1"}, {Key: "traceparent", Value: "P"}, {Key: "tracestate", Value: "S"}}},
		"in place":    {user{{Key: "traceparent", Value: "x"}, {Key: "a", Value: "1"}, {Key: "tracestate", Value: "y"}}, false, user{{Key: "traceparent", Value: "P"}, {Key: "a", Value: "1"}, {Key: "tracestate", Value: "S"}}},
		"second gone": {user{{Key: "traceparent", Value: "x"}, {Key: "traceparent", Value: "y"}}, false, user{{Key: "traceparent", Value: "P"}, {Key: "tracestate", Value: "S"}}},
	} {
		before := slices.Clone(tt.user)
		if got := replaced(tt.user, "P", "S", tt.add); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v", name, got)
		}
		if !slices.Equal(tt.user, before) {
			t.Errorf("%s: the given properties were changed", name)
		}
	}
	if parent, state := extract(user{{Key: "traceparent", Value: "1"}, {Key: "tracestate", Value: "s"}, {Key: "traceparent", Value: "2"}}); parent != "1" || state != "s" {
		t.Errorf("extracted %q, %q", parent, state)
	}
}

type user = []message.UserProperty

// TestSampling: what the client decided is kept to; an unsampled message still hands its context on, and no copy of it is
// followed; a message to many is followed to few.
func TestSampling(t *testing.T) {
	tr, err := New(t.Context(), Config{Endpoint: "http://127.0.0.1:1/v1/traces", Sampler: "parentbased_always_off", Logger: slog.New(slog.DiscardHandler)}, NewMetrics(nil))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	defer func() { _ = tr.Close(ctx) }()
	for n, sampled := range []bool{false, true, true} {
		m := &message.Message{Topic: "chat/1", QoS: 1}
		switch n {
		case 1:
			m.Properties.User = user{{Key: "traceparent", Value: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}
		case 2:
			m.TraceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
		}
		p := tr.Publish(m, "chat", time.Now())
		p.Sending(message.Place{Topic: "chat", Broker: "b"})
		p.Done(nil, 1)
		c := decode(m.TraceParent, m.TraceState)
		if !c.IsValid() || c.IsSampled() != sampled {
			t.Errorf("sampled %v: sent with %q", sampled, m.TraceParent)
		}
		got := &message.Message{Topic: "chat/1"}
		tracked := tr.Received(got, func(name string) string { return map[string]string{"traceparent": m.TraceParent}[name] }, "%LMQ%chat%1%")
		if parent, _ := extract(got.Properties.User); parent != m.TraceParent {
			t.Errorf("delivered with %v", got.Properties.User)
		}
		if (tracked != nil) != sampled {
			t.Errorf("sampled %v: copies are followed: %v", sampled, tracked != nil)
		}
		if tracked == nil {
			continue
		}
		n := 0
		for range 10 * maxDeliveries {
			if d := tracked.Deliver("c", 1, false); d != nil {
				d.Lost()
				n++
			}
		}
		if n != maxDeliveries {
			t.Errorf("%d copies are followed", n)
		}
	}
	if _, err := New(t.Context(), Config{Sampler: "sometimes"}, nil); err == nil {
		t.Error("an unknown sampler is taken")
	}
}
