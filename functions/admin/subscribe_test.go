package admin_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/functions/admin"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/session"
)

// log has two brokers, of which one does not answer.
type log struct{}

func (log) Brokers() []string { return []string{"a", "b"} }

func (log) MaxOffsets(_ context.Context, queues []admin.Queue) ([]int64, error) {
	if queues[0].Broker == "b" {
		return nil, errors.New("no route")
	}
	return []int64{7}, nil
}

// room is left for any filter; refuse leaves none.
type room struct{}

func (room) Refused(_ context.Context, filters []string) ([]bool, error) {
	return make([]bool, len(filters)), nil
}

type refuse struct{}

func (refuse) Refused(_ context.Context, filters []string) ([]bool, error) {
	over := make([]bool, len(filters))
	for i := range over {
		over[i] = true
	}
	return over, nil
}

// comes is a store whose client comes back just before its session is amended, a few times.
type comes struct {
	*redisstore.Store
	t     *testing.T
	times int
	seen  int
}

func (c *comes) Amend(ctx context.Context, ch session.Change) error {
	c.seen++
	if c.times--; c.times >= 0 {
		st := attach(c.t, c.Store, ch.ClientID)
		if _, err := c.Detach(ctx, ch.ClientID, st.Epoch, session.PartingClean); err != nil {
			c.t.Error(err)
		}
	}
	return c.Store.Amend(ctx, ch)
}

func attach(t *testing.T, s *redisstore.Store, id string) session.State {
	t.Helper()
	st, err := s.Attach(t.Context(), session.AttachRequest{ClientID: id, Instance: "i1", Expiry: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// scene is a store with "c", who is away and has the filter "old".
func scene(t *testing.T) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(redisstore.Config{URL: "redis://" + miniredis.RunT(t).Addr()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	st := attach(t, s, "c")
	err = s.Write(t.Context(), []session.Change{{
		ClientID: "c", Epoch: st.Epoch,
		SetSubs:    []session.Subscription{{Filter: "old", QoS: 1, Seq: 4, HoldEpoch: st.Epoch, HoldSeq: 9, SinceMillis: 5}},
		SetCursors: []session.Cursor{{CursorKey: session.CursorKey{Filter: "old", Broker: "a"}, Begin: 1, Next: 3}},
	}})[0]
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Detach(t.Context(), "c", st.Epoch, session.PartingClean); err != nil {
		t.Fatal(err)
	}
	return s
}

func holders(t *testing.T, s *redisstore.Store, filter string) string {
	t.Helper()
	holds, _, err := s.Holders(t.Context(), filter, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	var who []string
	for _, h := range holds {
		who = append(who, h.ClientID)
	}
	return strings.Join(who, " ")
}

// TestSubscribeAway: the session of a client that is away gets the subscription and the place where it begins, and the filter is
// held; what was there keeps its place; and at the end nothing is left.
func TestSubscribeAway(t *testing.T) {
	for _, times := range []int{0, 2} {
		t.Run(fmt.Sprintf("comes back %d times", times), func(t *testing.T) {
			s := &comes{Store: scene(t), t: t, times: times}
			a := admin.New(admin.Config{Sessions: s, Filters: s, Log: log{}, Limit: room{}, MaxSubscriptions: 2})
			done, err := a.Subscribe(t.Context(), "c", "new/#", admin.Options{QoS: 2, NoLocal: true, ID: 7})
			if err != nil || done.State != admin.Away || done.Existed || s.seen != times+1 {
				t.Fatalf("%+v, %v, %d tries", done, err, s.seen)
			}
			done, err = a.Subscribe(t.Context(), "c", "old", admin.Options{QoS: 0, RetainHandling: 1})
			if err != nil || !done.Existed {
				t.Fatalf("%+v, %v", done, err)
			}
			st := attach(t, s.Store, "c")
			subs := map[string]session.Subscription{}
			for _, sub := range st.Subscriptions {
				subs[sub.Filter] = sub
			}
			fresh, old := subs["new/#"], subs["old"]
			if len(subs) != 2 || fresh.QoS != 2 || !fresh.NoLocal || fresh.ID != 7 || !fresh.Granted || !fresh.Retained || fresh.Seq != 5 || fresh.SinceMillis == 0 || fresh.HoldEpoch == 0 {
				t.Errorf("new: %+v", fresh)
			}
			if old.QoS != 0 || !old.Granted || old.Retained || old.Seq != 4 || old.HoldSeq != 9 || old.SinceMillis != 5 {
				t.Errorf("old: %+v", old)
			}
			at := map[session.CursorKey]int64{}
			for _, c := range st.Cursors {
				at[c.CursorKey] = c.Next
			}
			if len(at) != 2 || at[session.CursorKey{Filter: "new/#", Broker: "a"}] != 7 || at[session.CursorKey{Filter: "old", Broker: "a"}] != 3 {
				t.Errorf("cursors %v", at)
			}
			if got := holders(t, s.Store, "new/#"); got != "c" {
				t.Errorf("held by %q", got)
			}
			if _, err := s.Detach(t.Context(), "c", st.Epoch, session.PartingClean); err != nil {
				t.Fatal(err)
			}
			for _, filter := range []string{"new/#", "old", "never"} {
				done, err := a.Unsubscribe(t.Context(), "c", filter)
				if err != nil || done.Existed != (filter != "never") || holders(t, s.Store, filter) != "" {
					t.Errorf("%s: %+v, %v, held by %q", filter, done, err, holders(t, s.Store, filter))
				}
			}
			if _, st, err := s.Peek(t.Context(), "c"); err != nil || len(st.Subscriptions)+len(st.Cursors) != 0 {
				t.Errorf("left %+v, %v", st, err)
			}
		})
	}
}

// leaves is a store whose client leaves while its instance is asked.
type leaves struct {
	*redisstore.Store
	t     *testing.T
	epoch session.Epoch
	asked session.Word
}

func (l *leaves) Ask(ctx context.Context, instance string, w session.Word) (session.Word, error) {
	l.asked = w
	if _, err := l.Detach(ctx, w.ClientID, l.epoch, session.PartingClean); err != nil || instance != "i1" {
		l.t.Error(instance, err)
	}
	return session.Word{Kind: session.WordAnswer, ClientID: w.ClientID, Absent: true}, nil
}

// TestSubscribeLeaving: a client that leaves meanwhile is subscribed all the same.
func TestSubscribeLeaving(t *testing.T) {
	s := scene(t)
	l := &leaves{Store: s, t: t, epoch: attach(t, s, "c").Epoch}
	done, err := admin.New(admin.Config{Sessions: l, Filters: s}).Subscribe(t.Context(), "c", "new", admin.Options{QoS: 1, RetainHandling: 2})
	if err != nil || done.State != admin.Away {
		t.Fatalf("%+v, %v", done, err)
	}
	want := session.Word{Kind: session.WordSubscribe, ClientID: "c", Subscription: session.Subscription{Filter: "new", QoS: 1, RetainHandling: 2, Granted: true}}
	if l.asked != want {
		t.Errorf("asked %+v", l.asked)
	}
	if _, st, err := s.Peek(t.Context(), "c"); err != nil || len(st.Subscriptions) != 2 {
		t.Errorf("%+v, %v", st, err)
	}
}

// TestSubscribeRefused: what cannot be done, changes nothing.
func TestSubscribeRefused(t *testing.T) {
	s := scene(t)
	st := attach(t, s, "$http/x")
	if _, err := s.Detach(t.Context(), "$http/x", st.Epoch, session.PartingClean); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, id, filter string
		options          admin.Options
		config           admin.Config
		want             error
	}{
		{"nobody", "nobody", "a", admin.Options{}, admin.Config{}, admin.ErrNoClient},
		{"malformed", "c", "a/#/b", admin.Options{}, admin.Config{}, admin.ErrFilter},
		{"deep", "c", strings.Repeat("a/", 200), admin.Options{}, admin.Config{}, admin.ErrFilter},
		{"QoS 3", "c", "a", admin.Options{QoS: 3}, admin.Config{}, admin.ErrFilter},
		{"no local on a share", "c", "$share/g/a", admin.Options{NoLocal: true}, admin.Config{}, admin.ErrFilter},
		{"shared", "c", "$share/g/a", admin.Options{}, admin.Config{}, admin.ErrShared},
		{"another's", "c", "x/p2p/d/#", admin.Options{}, admin.Config{}, admin.ErrPrivate},
		{"another's, by a wildcard", "c", "+/p2p/d/#", admin.Options{}, admin.Config{}, admin.ErrPrivate},
		{"the gateway's own", "$http/x", "a", admin.Options{}, admin.Config{}, admin.ErrPrivate},
		{"too many", "c", "a", admin.Options{}, admin.Config{MaxSubscriptions: 1}, admin.ErrTooMany},
		{"too many filters", "c", "a", admin.Options{}, admin.Config{Limit: refuse{}}, admin.ErrTooMany},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Sessions, tt.config.Filters = s, s
			_, err := admin.New(tt.config).Subscribe(t.Context(), tt.id, tt.filter, tt.options)
			if !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if got := holders(t, s, tt.filter); got != "" {
				t.Errorf("held by %q", got)
			}
		})
	}
	if _, err := admin.New(admin.Config{Sessions: s, Filters: s}).Unsubscribe(t.Context(), "$http/x", "a"); !errors.Is(err, admin.ErrPrivate) {
		t.Errorf("unsubscribe the gateway's own: %v", err)
	}
	// An instance that does not answer is not waited for longer than the caller waits.
	attach(t, s, "c")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := admin.New(admin.Config{Sessions: s, Filters: s}).Subscribe(ctx, "c", "a", admin.Options{}); !errors.Is(err, admin.ErrUnconfirmed) {
		t.Errorf("no answer: %v", err)
	}
}
