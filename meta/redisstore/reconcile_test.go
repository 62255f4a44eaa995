package redisstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lmqgate/meta/redisstore"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// rounds runs Reconcile until everything was looked at n times, and sums up.
func rounds(t *testing.T, s *redisstore.Store, n int) redisstore.Reconciled {
	t.Helper()
	var sum redisstore.Reconciled
	for calls := 0; n > 0; calls++ {
		if calls > 10_000 {
			t.Fatal("no round ends")
		}
		did, err := s.Reconcile(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		sum.Released += did.Released
		sum.Asserted += did.Asserted
		sum.Detached += did.Detached
		sum.Forgotten += did.Forgotten
		if did.RoundDone {
			n--
		}
	}
	return sum
}

func held(t *testing.T, s *redisstore.Store, filter string) int {
	t.Helper()
	all, _, err := s.Holders(t.Context(), filter, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// onAged is onServers with a short ReconcileAge.
func onAged(t *testing.T, test func(t *testing.T, on *server, s *redisstore.Store)) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		on.config.ReconcileAge = 200 * time.Millisecond
		test(t, on, on.store(t))
	})
}

func TestReconcileHoldings(t *testing.T) {
	onAged(t, func(t *testing.T, on *server, s *redisstore.Store) {
		ctx := t.Context()
		if err := s.Beat(ctx, "i1", time.Hour); err != nil {
			t.Fatal(err)
		}
		var holds []registry.Hold
		for i := range 30 {
			id := fmt.Sprint("c", i)
			st, err := s.Attach(ctx, session.AttachRequest{ClientID: id, Instance: "i1", Expiry: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			change := session.Change{ClientID: id, Epoch: st.Epoch}
			for j, f := range []string{"plain", "wild/#", "$share/g/shared/+"} {
				change.SetSubs = append(change.SetSubs, session.Subscription{Filter: f, Seq: uint64(j + 1), HoldEpoch: st.Epoch, HoldSeq: uint64(j + 1)})
			}
			if err := s.Write(ctx, []session.Change{change})[0]; err != nil {
				t.Fatal(err)
			}
			for j, f := range []string{"plain", "wild/#", "$share/g/shared/+", "left/behind", "$share/g/left/+"} {
				holds = append(holds, registry.Hold{Filter: f, ClientID: id, Epoch: uint64(st.Epoch), Seq: uint64(j + 1)})
			}
		}
		holds = append(holds, registry.Hold{Filter: "gone/#", ClientID: "nobody", Epoch: 1, Seq: 1})
		if err := s.Hold(ctx, holds); err != nil {
			t.Fatal(err)
		}
		if did := rounds(t, s, 1); did.Released > 0 || did.Asserted != 90 {
			t.Errorf("first round: %+v", did)
		}
		on.pass(t, 300*time.Millisecond)
		// A SUBSCRIBE that begins now is held already but not in the session yet: its tag is new.
		begun := holds[3]
		begun.Seq = 99
		if err := s.Hold(ctx, []registry.Hold{begun}); err != nil {
			t.Fatal(err)
		}
		if did := rounds(t, s, 1); did.Released != 60 {
			t.Errorf("second round: %+v, want 29 + 30 + 1 released", did)
		}
		for f, want := range map[string]int{"plain": 30, "wild/#": 30, "shared/+": 30, "left/behind": 1, "left/+": 0, "gone/#": 0} {
			if got := held(t, s, f); got != want {
				t.Errorf("%s has %d holders, want %d", f, got, want)
			}
		}
		on.pass(t, 300*time.Millisecond)
		if did := rounds(t, s, 1); did.Released != 1 {
			t.Errorf("third round: %+v", did)
		}
	})
}

// TestReconcileAsserts: what a failover lost of the registry comes back, also for sessions that nobody serves.
func TestReconcileAsserts(t *testing.T) {
	onAged(t, func(t *testing.T, on *server, s *redisstore.Store) {
		ctx := t.Context()
		st, err := s.Attach(ctx, session.AttachRequest{ClientID: "c", Instance: "i1", Expiry: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		subs := []session.Subscription{{Filter: "a/b", HoldEpoch: st.Epoch, HoldSeq: 1}, {Filter: "$share/g/a/+", HoldEpoch: st.Epoch, HoldSeq: 2}, {Filter: "never/held"}}
		if err := s.Write(ctx, []session.Change{{ClientID: "c", Epoch: st.Epoch, SetSubs: subs}})[0]; err != nil {
			t.Fatal(err)
		}
		if _, err := s.Detach(ctx, "c", st.Epoch, session.PartingLost); err != nil {
			t.Fatal(err)
		}
		rounds(t, s, 1)
		if held(t, s, "a/b") != 1 || held(t, s, "a/+") != 1 || held(t, s, "never/held") != 0 {
			t.Errorf("%d, %d and %d holders", held(t, s, "a/b"), held(t, s, "a/+"), held(t, s, "never/held"))
		}
	})
}

func TestReconcileSessions(t *testing.T) {
	onAged(t, func(t *testing.T, on *server, s *redisstore.Store) {
		ctx := t.Context()
		if err := s.Beat(ctx, "live", time.Hour); err != nil {
			t.Fatal(err)
		}
		epochs := make(map[string]session.Epoch)
		for id, instance := range map[string]string{"safe": "live", "unlisted": "live", "lost": "unknown", "moved": "live", "undue": "live"} {
			st, err := s.Attach(ctx, session.AttachRequest{ClientID: id, Instance: instance, Expiry: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			epochs[id] = st.Epoch
		}
		if _, err := s.Attach(ctx, session.AttachRequest{ClientID: "moved", Instance: "unknown2", Expiry: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Detach(ctx, "undue", epochs["undue"], session.PartingLost); err != nil {
			t.Fatal(err)
		}
		list := on.config.Prefix + "inst:{live}:s"
		on.raw.HDel(ctx, list, "unlisted")
		on.raw.Del(ctx, on.config.Prefix+"due", on.config.Prefix+"inst:{unknown}:s")
		on.raw.HSet(ctx, list, "moved", "1.stale", "never", "1.stale")

		if did := rounds(t, s, 1); did.Detached+did.Forgotten > 0 {
			t.Errorf("first round: %+v", did)
		}
		on.pass(t, 300*time.Millisecond)
		if err := s.Beat(ctx, "unknown2", time.Hour); err != nil { // it was only slow to start
			t.Fatal(err)
		}
		if did := rounds(t, s, 1); did.Detached != 1 || did.Forgotten != 2 {
			t.Errorf("second round: %+v", did)
		}
		for id, connected := range map[string]bool{"safe": true, "unlisted": true, "moved": true, "lost": false, "undue": false} {
			info, _, err := s.Peek(ctx, id)
			if err != nil || info.Connected != connected {
				t.Errorf("%s: %v, %+v", id, err, info)
			}
		}
		entries := on.raw.HGetAll(ctx, list).Val()
		if len(entries) != 2 || entries["unlisted"] == "" || entries["safe"] == "" {
			t.Errorf("list of the live instance: %v", entries)
		}
		ended, more, err := s.Expired(ctx, on.now(t).Add(2*time.Hour), 10)
		if err != nil || more || len(ended) != 2 {
			t.Errorf("expired later: %v, %v, %v; want lost and undue", ended, more, err)
		}
	})
}

// TestReconcileWills: wills come also when due was lost, and when nothing else is left of the session.
func TestReconcileWills(t *testing.T) {
	onAged(t, func(t *testing.T, on *server, s *redisstore.Store) {
		ctx := t.Context()
		for _, id := range []string{"moved", "delayed", "due}", ""} {
			delay := map[string]time.Duration{"delayed": time.Minute}[id]
			expiry := map[string]time.Duration{"delayed": time.Hour}[id]
			st, err := s.Attach(ctx, session.AttachRequest{ClientID: id, Instance: "i1", Expiry: expiry, Will: willOf(id, delay)})
			if err != nil {
				t.Fatal(err)
			}
			p := map[string]session.Parting{"moved": session.PartingMoved}[id]
			if _, err := s.Detach(ctx, id, st.Epoch, p); err != nil {
				t.Fatal(err)
			}
		}
		on.raw.Del(ctx, on.config.Prefix+"due", on.config.Prefix+"s:{moved}")
		rounds(t, s, 1)
		ended, _, err := s.Expired(ctx, on.now(t).Add(2*time.Minute), 10)
		var keys []string
		for _, e := range ended {
			for _, w := range e.Wills {
				keys = append(keys, w.Message.Key)
			}
		}
		slices.Sort(keys)
		if err != nil || !slices.Equal(keys, []string{"", "delayed", "due}", "moved"}) {
			t.Errorf("%q came, %v", keys, err)
		}
	})
}

// TestBeatForgets: a session that was taken over leaves the list of the instance that lost it, but not when it went
// back there.
func TestBeatForgets(t *testing.T) {
	onServers(t, func(t *testing.T, open func(t *testing.T) *server) {
		on := open(t)
		one, two, ctx := on.store(t), on.store(t), t.Context()
		attach := func(s *redisstore.Store, id, instance string) {
			t.Helper()
			if _, err := s.Attach(ctx, session.AttachRequest{ClientID: id, Instance: instance, Expiry: time.Hour}); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []string{"gone", "back"} {
			attach(one, id, "i1")
			attach(two, id, "i2")
		}
		attach(one, "back", "i1")
		if err := two.Beat(ctx, "i2", time.Hour); err != nil {
			t.Fatal(err)
		}
		got := on.raw.HKeys(ctx, on.config.Prefix+"inst:{i1}:s").Val()
		if len(got) != 1 || got[0] != "back" {
			t.Errorf("list of i1: %v", got)
		}
	})
}
