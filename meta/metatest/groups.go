package metatest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"lmqgate/meta/registry"
)

// Groups is the contract of registry.Groups, and of shared subscriptions in registry.Store.
func Groups(t *testing.T, open Opener) {
	for name, test := range map[string]func(*testing.T, *Backend){
		"Holdings":   sharedHoldings,
		"Life":       groupLife,
		"TakenOver":  groupTakenOver,
		"Limit":      groupLimit,
		"Lost":       groupLost,
		"Model":      groupModel,
		"Concurrent": groupConcurrent,
		"Owners":     groupOwners,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func held(filter, clientID string, seq uint64) registry.Hold {
	return registry.Hold{Filter: filter, ClientID: clientID, Epoch: 1, Seq: seq}
}

// ends collects the groups that a store says have ended.
type ends struct {
	mu   sync.Mutex
	list []string // filter and token
}

func (e *ends) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := e.list
	e.list = nil
	return list
}

func watchEnds(s Store) *ends {
	e := &ends{}
	s.OnGroupEnd(func(filter string, l registry.Life) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.list = append(e.list, filter+" "+l.Token)
	})
	return e
}

func join(t *testing.T, s Store, filter string) (registry.Life, registry.Stage) {
	t.Helper()
	l, stage, err := s.Join(t.Context(), filter, time.Hour, 100)
	if err != nil {
		t.Fatalf("join %q: %v", filter, err)
	}
	return l, stage
}

// begin joins a group that nobody has begun, and begins it.
func begin(t *testing.T, s Store, filter string, brokers ...string) registry.Life {
	t.Helper()
	l, stage := join(t, s, filter)
	if stage != registry.StageBegin || l.Token == "" || l.Since == 0 {
		t.Fatalf("join %q: %+v, stage %d; want one to begin", filter, l, stage)
	}
	l.Brokers = brokers
	if ok, err := s.Begun(t.Context(), filter, l); err != nil || !ok {
		t.Fatalf("begun %q: %v, %v", filter, ok, err)
	}
	return l
}

// sharedHoldings: `$share/g/F` holds F, beside a plain holding of F and those of other groups.
func sharedHoldings(t *testing.T, b *Backend) {
	for _, f := range []string{"a/b", "a/+"} {
		s := b.Open(t)
		v := snapshot(t, s)
		shared, other := "$share/g/"+f, "$share/h/"+f
		all := []registry.Hold{held(f, "c", 3), held(shared, "c", 1), held(other, "c", 2), held(shared, "d", 9)}
		hold(t, s, all...)
		got, _, err := s.Holders(t.Context(), f, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		byName := func(list []registry.Hold) map[string]registry.Hold {
			m := make(map[string]registry.Hold)
			for _, h := range list {
				m[h.Filter+" "+h.ClientID] = h
			}
			return m
		}
		equal(t, "holders", byName(got), byName(all))
		got, _, err = s.Holders(t.Context(), shared, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "holders of the group", byName(got), byName([]registry.Hold{all[1], all[3]}))
		for i, h := range all {
			want := []string{f}
			_, isHeld := v.follow(t, s, "a/b")
			if f != "a/b" {
				v.want(t, want...)
			} else if !isHeld[0] {
				t.Errorf("%d of 4 holdings released, and it is not held", i)
			}
			older := h
			older.Seq = 0
			release(t, s, older)
			release(t, s, h)
		}
		if _, isHeld := v.follow(t, s, "a/b"); isHeld[0] {
			t.Error("held by nobody")
		}
		v.want(t)
		filters, _, err := s.Filters(t.Context(), "", 100)
		if err != nil || len(filters) > 0 {
			t.Errorf("held filters: %v, %v", filters, err)
		}
	}
}

// groupLife: one life from the first member to the last, and another one after that.
func groupLife(t *testing.T, b *Backend) {
	for _, f := range []string{"$share/g/a/b", "$share/g ü/a/+/#", "$share/{}/x", "$share/%2C/$share"} {
		one, two := b.Open(t), b.Open(t)
		ended, elsewhere := watchEnds(one), watchEnds(two)
		if _, _, err := one.Join(t.Context(), f, time.Hour, 100); !errors.Is(err, registry.ErrNoGroup) {
			t.Errorf("join without a member: %v", err)
		}
		if _, err := one.Renew(t.Context(), f, registry.Life{Token: "x"}); !errors.Is(err, registry.ErrNoGroup) {
			t.Errorf("renew without a member: %v", err)
		}
		hold(t, one, held(f, "c1", 1))
		hold(t, one, held(f, "c1", 2)) // a repetition is no further member
		hold(t, one, held(f, "c1", 1))
		first := begin(t, one, f, "broker-a", "b, c", "%")
		if ok, err := one.Begun(t.Context(), f, first); err != nil || !ok {
			t.Errorf("a repetition of Begun: %v, %v", ok, err)
		}
		hold(t, two, held(f, "c2", 1))
		if l, stage := join(t, two, f); stage != registry.StageBegun {
			t.Errorf("second member: stage %d", stage)
		} else {
			equal(t, "life", l, first)
		}
		release(t, one, held(f, "c1", 1)) // an old tag
		release(t, one, held(f, "c1", 2))
		release(t, one, held(f, "c1", 2))
		if l, stage := join(t, two, f); stage != registry.StageBegun || l.Token != first.Token {
			t.Errorf("with one member left: %+v, stage %d", l, stage)
		}
		equal(t, "ended", append(ended.take(), elsewhere.take()...), []string(nil))
		release(t, two, held(f, "c2", 1))
		release(t, two, held(f, "c2", 1))
		equal(t, "ended", ended.take(), []string(nil))
		equal(t, "ended by the last", elsewhere.take(), []string{f + " " + first.Token})

		hold(t, one, held(f, "c1", 3))
		if ok, err := one.Begun(t.Context(), f, first); err != nil || ok {
			t.Errorf("the first life began in the second: %v, %v", ok, err)
		}
		if second := begin(t, one, f); second.Token == first.Token {
			t.Error("two lives have one token")
		}
		release(t, one, held(f, "c1", 3))
		if n := len(ended.take()); n != 1 {
			t.Errorf("%d groups ended", n)
		}
		hold(t, one, held(f, "c1", 4))
		release(t, one, held(f, "c1", 4))
		equal(t, "ended that never began", ended.take(), []string(nil))
	}
}

// groupTakenOver: one member begins, others wait; a beginning whose lease has lapsed is another's, with another token.
func groupTakenOver(t *testing.T, b *Backend) {
	const f = "$share/g/t"
	s := b.Open(t)
	hold(t, s, held(f, "c1", 1), held(f, "c2", 1))
	first, stage, err := s.Join(t.Context(), f, 200*time.Millisecond, 100)
	if err != nil || stage != registry.StageBegin {
		t.Fatalf("stage %d, %v", stage, err)
	}
	if _, stage := join(t, s, f); stage != registry.StageWait {
		t.Errorf("while another begins: stage %d", stage)
	}
	b.Pass(t, 250*time.Millisecond)
	second, stage := join(t, s, f)
	if stage != registry.StageBegin || second.Token == first.Token || second.Since <= first.Since {
		t.Fatalf("taken over: %+v after %+v, stage %d", second, first, stage)
	}
	if ok, err := s.Begun(t.Context(), f, first); err != nil || ok {
		t.Errorf("the lapsed one has begun: %v, %v", ok, err)
	}
	if ok, err := s.Begun(t.Context(), f, second); err != nil || !ok {
		t.Errorf("the other one has not begun: %v, %v", ok, err)
	}
	if ok, err := s.Begun(t.Context(), f, first); err != nil || ok {
		t.Errorf("the lapsed one has begun after all: %v, %v", ok, err)
	}
	if l, stage := join(t, s, f); stage != registry.StageBegun || l.Token != second.Token {
		t.Errorf("%+v, stage %d", l, stage)
	}
}

// groupLimit: a filter has a bounded number of groups; those that have begun stay.
func groupLimit(t *testing.T, b *Backend) {
	s := b.Open(t)
	name := func(i int) string { return fmt.Sprintf("$share/g%d/t", i) }
	for i := range 3 {
		hold(t, s, held(name(i), "c", 1))
		begin(t, s, name(i))
	}
	hold(t, s, held(name(3), "c", 1))
	if _, _, err := s.Join(t.Context(), name(3), time.Hour, 3); !errors.Is(err, registry.ErrTooManyGroups) {
		t.Errorf("a fourth of three: %v", err)
	}
	for i := range 3 {
		if _, stage, err := s.Join(t.Context(), name(i), time.Hour, 1); err != nil || stage != registry.StageBegun {
			t.Errorf("group %d: stage %d, %v", i, stage, err)
		}
	}
	release(t, s, held(name(0), "c", 1))
	if _, stage, err := s.Join(t.Context(), name(3), time.Hour, 3); err != nil || stage != registry.StageBegin {
		t.Errorf("after one has ended: stage %d, %v", stage, err)
	}
}

// groupLost: after a failover that lost a life its members put it back; one that was begun meanwhile stays.
func groupLost(t *testing.T, b *Backend) {
	const f = "$share/g/t/+"
	s := b.Open(t)
	empty := b.Save(t)
	hold(t, s, held(f, "c", 1))
	known := begin(t, s, f, "broker-a")
	empty()
	hold(t, s, held(f, "c", 1))
	l, err := s.Renew(t.Context(), f, known)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "put back", l, known)
	if l, stage := join(t, s, f); stage != registry.StageBegun || l.Token != known.Token {
		t.Errorf("%+v, stage %d", l, stage)
	}

	empty()
	hold(t, s, held(f, "c", 1))
	half, stage := join(t, s, f)
	if stage != registry.StageBegin {
		t.Fatalf("stage %d", stage)
	}
	if l, err := s.Renew(t.Context(), f, known); err != nil || l.Token != known.Token {
		t.Errorf("while another begins: %+v, %v", l, err)
	}
	if ok, err := s.Begun(t.Context(), f, half); err != nil || ok {
		t.Errorf("the other one has begun: %v, %v", ok, err)
	}

	empty()
	hold(t, s, held(f, "c", 1))
	fresh := begin(t, s, f)
	if l, err := s.Renew(t.Context(), f, known); err != nil || l.Token != fresh.Token {
		t.Errorf("after another has begun: %+v, %v", l, err)
	}
}

// groupModel: random holds and releases; a group has a life exactly while it has members, the same all along.
func groupModel(t *testing.T, b *Backend) {
	stores := []Store{b.Open(t), b.Open(t)}
	told := []*ends{watchEnds(stores[0]), watchEnds(stores[1])}
	random := rand.New(rand.NewPCG(3, 4))
	members := make(map[string]map[string]uint64) // filter -> client -> seq
	lives := make(map[string]string)
	for step := range 600 {
		s := stores[random.IntN(2)]
		adding := random.IntN(2) == 0
		var batch []registry.Hold
		var over []string
		for range 1 + random.IntN(4) {
			f := []string{"$share/g/a", "$share/h/a", "a", "$share/g/b/+", "b/+", "$share/h/b/+"}[random.IntN(6)]
			h := held(f, fmt.Sprint(random.IntN(3)), uint64(random.IntN(3)))
			batch = append(batch, h)
		}
		newest := make(map[[2]string]registry.Hold)
		for _, h := range batch {
			if k := [2]string{h.Filter, h.ClientID}; newest[k].Filter == "" || h.Seq > newest[k].Seq {
				newest[k] = h
			}
		}
		for _, h := range newest {
			seq, there := members[h.Filter][h.ClientID]
			switch {
			case adding && (!there || h.Seq > seq):
				if members[h.Filter] == nil {
					members[h.Filter] = make(map[string]uint64)
				}
				members[h.Filter][h.ClientID] = h.Seq
			case !adding && there && h.Seq >= seq:
				delete(members[h.Filter], h.ClientID)
				if len(members[h.Filter]) == 0 && lives[h.Filter] != "" {
					over = append(over, h.Filter+" "+lives[h.Filter])
					delete(lives, h.Filter)
				}
			}
		}
		if adding {
			hold(t, s, batch...)
		} else {
			release(t, s, batch...)
		}
		equal(t, fmt.Sprint("ended in step ", step), append(told[0].take(), told[1].take()...), over)
		for _, f := range []string{"$share/g/a", "$share/h/a", "$share/g/b/+", "$share/h/b/+"} {
			l, stage, err := stores[0].Join(t.Context(), f, time.Hour, 100)
			switch {
			case len(members[f]) == 0:
				if !errors.Is(err, registry.ErrNoGroup) {
					t.Errorf("step %d: %s has no member: %v", step, f, err)
				}
			case err != nil:
				t.Fatal(err)
			case lives[f] == "" && stage == registry.StageBegin:
				lives[f] = l.Token
				if ok, err := stores[1].Begun(t.Context(), f, l); err != nil || !ok {
					t.Fatal(ok, err)
				}
			case stage != registry.StageBegun || l.Token != lives[f]:
				t.Errorf("step %d: %s has life %q in stage %d, want %q", step, f, l.Token, stage, lives[f])
			}
		}
		if t.Failed() {
			return
		}
	}
}

// groupConcurrent: of many that join a new group at once one begins it, and all get the same life.
func groupConcurrent(t *testing.T, b *Backend) {
	for round := range 10 {
		f := fmt.Sprintf("$share/g/%d", round)
		var all sync.WaitGroup
		var mu sync.Mutex // protects tokens and begun
		tokens, begun := make(map[string]int), 0
		for i := range 4 {
			s := b.Open(t)
			all.Go(func() {
				if err := s.Hold(t.Context(), []registry.Hold{held(f, fmt.Sprint(i), 1)}); err != nil {
					t.Error(err)
					return
				}
				for {
					l, stage, err := s.Join(t.Context(), f, time.Hour, 100)
					if err != nil {
						t.Error(err)
						return
					}
					if stage == registry.StageWait {
						continue
					}
					if stage == registry.StageBegin {
						if ok, err := s.Begun(t.Context(), f, l); err != nil || !ok {
							t.Error(ok, err)
							return
						}
					}
					mu.Lock()
					tokens[l.Token]++
					if stage == registry.StageBegin {
						begun++
					}
					mu.Unlock()
					return
				}
			})
		}
		all.Wait()
		if len(tokens) != 1 || begun != 1 {
			t.Errorf("%d lives, %d begun", len(tokens), begun)
		}
	}
}
