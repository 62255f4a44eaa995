package e2e

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/parts"
)

// TestSubackPromise: once a client has its SUBACK, a PUBLISH that any instance accepts later reaches it (decision 3),
// also when one of the two instances is far from Redis.
func TestSubackPromise(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := prepare(t, b)
		near, far := f.add(), f.slow()
		near.ready()
		far.ready()
		rounds := scale(100, 500, 2000)
		var unmatched atomic.Int32
		subscribers := f.promise("a", rounds/2, near, far, &unmatched)
		subscribers = append(subscribers, f.promise("b", rounds/2, far, near, &unmatched)...)
		if n := unmatched.Load(); n > 0 {
			t.Errorf("%d publishes after SUBACK were answered with 'no matching subscribers'", n)
		}
		delivered := 0
		for _, s := range subscribers {
			s.gets(soon, len(s.published), with(f.first))
			got := payloads(s.received(with(f.first)))
			slices.Sort(got) // every round has a topic of its own: there is no order
			slices.Sort(s.published)
			if diff := difference(s.published, got); diff != "" {
				t.Errorf("%s: %s", s.id, diff)
			}
			delivered += len(s.published)
			s.sane()
		}
		t.Logf("%d publishes, each right behind a SUBACK of the other instance", delivered)
	})
}

// TestSubackPromiseNeedsTheCheck is the test above with the check switched off at the publishing instance: it must lose
// messages, or else the test above proves nothing.
func TestSubackPromiseNeedsTheCheck(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := prepare(t, b)
		near, far := f.add(), f.slow("LMQGATE_TEST_STALE_REGISTRY=true")
		near.ready()
		far.ready()
		var unmatched atomic.Int32
		tries := 0
		for ; unmatched.Load() == 0 && tries < 20; tries++ { // on a busy machine a PUBLISH may be slower than the change
			f.promise(fmt.Sprint("try", tries), scale(40, 100, 100), near, far, &unmatched)
		}
		if unmatched.Load() == 0 {
			t.Errorf("no publish of %d tries missed its subscriber although the registry is not checked", tries)
		}
		t.Logf("%d publishes missed their subscribers", unmatched.Load())
	})
}

// slow adds an instance that reaches Redis through a proxy which holds every byte back for 50 to 200 ms.
func (f *fleet) slow(env ...string) *instance {
	f.t.Helper()
	p := parts.Proxy(f.t, f.redis)
	p.Delay(25*time.Millisecond, 75*time.Millisecond) // each way
	return f.add(append(env, "REDIS_URL=redis://"+p.Addr)...)
}

// lane is a subscriber of TestSubackPromise and what was published for it.
type lane struct {
	*device
	published []string
}

// promise subscribes on one instance and publishes on the other as soon as SUBACK is there, rounds times in lanes side by
// side, by clients of the names given.
func (f *fleet) promise(names string, rounds int, subscribeAt, publishAt *instance, unmatched *atomic.Int32) []*lane {
	f.t.Helper()
	const lanes = 20
	list := make([]*lane, lanes)
	var work sync.WaitGroup
	for l := range list {
		name := fmt.Sprintf("%s-%s-%s-%d", names, subscribeAt.name, publishAt.name, l)
		list[l] = &lane{device: connected(f.t, "sub-"+name, packet.V5, subscribeAt.tcp)}
		publisher := connected(f.t, "pub-"+name, packet.V5, publishAt.tcp)
		work.Go(func() {
			for r := range (rounds + lanes - 1) / lanes {
				topic := f.topic("%s/%d", list[l].id, r)
				filter := []string{topic, f.topic("%s/%d/+", list[l].id, r), f.topic("+/%d/%s", r, list[l].id)}[r%3]
				topic = []string{topic, topic + "/x", f.topic("x/%d/%s", r, list[l].id)}[r%3]
				if err := list[l].subscribe(2, filter); err != nil {
					f.t.Error(err)
					return
				}
				payload := fmt.Sprintf("%s %d %d", f.first, l, r)
				publisher.publish(topic, 1+byte(r%2), payload, func(code packet.ReasonCode) {
					if code == packet.NoMatchingSubscribers {
						unmatched.Add(1)
					}
				})
				list[l].published = append(list[l].published, payload)
			}
			publisher.flushed(soon)
			publisher.sane()
		})
	}
	work.Wait()
	return list
}
