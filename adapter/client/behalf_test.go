package client

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"lmqgate/adapter/packet"
	"lmqgate/meta/access"
	"lmqgate/meta/session"
)

// TestOnBehalf: an operator subscribes a client to what its rules forbid; it is told once what became of it, a client that is not
// here has no answer but that, and what the operator gave is kept where the client's own rights are looked at again.
func TestOnBehalf(t *testing.T) {
	run(t, Config{MaxSubscriptions: 2, P2P: true}, func(t *testing.T, r *rig) {
		r.srv.deps.Access = rules(func(access.Identity, string, access.Action, string) bool { return false })
		answers := map[string][]string{}
		r.store.words = func(at string, w session.Word) {
			answers[at] = append(answers[at], fmt.Sprintf("%s %s %02x %v", w.Kind, w.ClientID, w.Code, w.Absent))
		}
		ask := func(kind, id, reply string, sub session.Subscription, want string) {
			t.Helper()
			before := len(answers[reply])
			r.srv.Word(session.Word{Kind: kind, ClientID: id, Reply: reply, Subscription: sub})
			synctest.Wait()
			if got := answers[reply]; len(got) != before+1 || got[before] != "answer "+id+" "+want {
				t.Errorf("%s: %q, want %s", reply, got, want)
			}
		}
		one := func(filter string) session.Subscription { return session.Subscription{Filter: filter, QoS: 1} }
		ask("subscribe", "c", "early", one("a"), "00 true")
		p := r.dial(v5, false, nil)
		p.send(connect(v5, "c", lasting)).want("CONNACK 00")
		ask("subscribe", "c", "r1", one("a/#"), "01 false")
		ask("subscribe", "c", "r1", one("a/#"), "01 false")
		ask("subscribe", "c", "r2", one("a/#/b"), "8f false")
		ask("subscribe", "c", "r3", one("x/p2p/another/#"), "87 false")
		ask("subscribe", "c", "r4", one("b"), "01 false")
		ask("subscribe", "c", "r5", one("d"), "97 false")
		ask("unsubscribe", "c", "r6", one("b"), "00 false")
		ask("subscribe", "c", "r7", session.Subscription{Filter: "fail", QoS: 3}, "8f false")
		p.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: "a/#"}}}).want("SUBACK 1 87")
		if asked := r.deliver.asked; len(asked) != 2 || !asked[0].Granted || asked[0].Filter != "a/#" || asked[1].Filter != "b" {
			t.Errorf("asked for %+v", asked)
		}
		c := r.srv.settled("c")
		c.recheck()
		if !c.filters.has("a/#") || c.filters.has("b") {
			t.Errorf("has %v", c.filters)
		}
		st := session.State{Subscriptions: []session.Subscription{{Filter: "a/#", Granted: true}}}
		if c.revoke(&st); len(st.Subscriptions) != 1 {
			t.Error("what the operator gave is taken away")
		}
		p.send(&packet.Disconnect{})
		synctest.Wait()
		ask("subscribe", "c", "late", one("z"), "00 true")
	})
}

// TestOnBehalfEnds: a client that goes ends what is being done for it, whoever waits; what its own SUBSCRIBE waits for comes in turn.
func TestOnBehalfEnds(t *testing.T) {
	for name, end := range map[string]func(*rig, *peer){
		"disconnect": func(_ *rig, p *peer) { p.send(&packet.Disconnect{}) },
		"kick":       func(r *rig, _ *peer) { r.srv.Word(session.Word{Kind: session.WordKick, ClientID: "c"}) },
		"lost":       func(r *rig, _ *peer) { r.srv.Word(session.Word{Kind: session.WordLost, ClientID: "c", Epoch: 1}) },
		"subscribing": func(r *rig, p *peer) {
			p.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: "b"}}})
			r.srv.Word(session.Word{Kind: session.WordKick, ClientID: "c"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, r *rig) {
				begun := make(chan struct{}, 2)
				r.deliver.onSub = func(ctx context.Context) packet.ReasonCode {
					begun <- struct{}{}
					<-ctx.Done()
					return packet.UnspecifiedError
				}
				answers := make(chan session.Word, 1)
				r.store.words = func(_ string, w session.Word) { answers <- w }
				p := r.dial(v5, false, nil)
				p.send(connect(v5, "c", lasting)).want("CONNACK 00")
				r.srv.Word(session.Word{Kind: session.WordSubscribe, ClientID: "c", Reply: "r", Subscription: session.Subscription{Filter: "a"}})
				<-begun
				end(r, p)
				if w := <-answers; w.Code != byte(packet.UnspecifiedError) || w.Absent {
					t.Errorf("%+v", w)
				}
				<-p.served
				if o := r.store.owner("c"); o != "" {
					t.Errorf("owner %q", o)
				}
			})
		})
	}
}
