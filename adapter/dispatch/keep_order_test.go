package dispatch

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lmqgate/meta/message"
)

// keep is how a store of retained messages misbehaves.
func (c *chaos) keep(w write) fate {
	switch n := c.under(100); {
	case n < 75:
		return fate{}
	case n < 85:
		return fate{err: errAway}
	case n < 95:
		return fate{err: errAway, written: true}
	default:
		return fate{err: errFull}
	}
}

// keptOrder watches the log and the retained messages of topics that have one publisher each.
type keptOrder struct {
	t    *testing.T
	p    *fakeProducer
	mu   sync.Mutex       // protects what follows
	last map[string]int   // written last, by topic
	had  map[string][]int // all written
	done map[string]int   // last publication that is done
	full map[write]bool   // those for which there was no room
}

// wrote checks a write when it takes effect: neither its message nor anything behind it was sent.
func (k *keptOrder) wrote(w write) {
	n, _ := strconv.Atoi(w.payload)
	for _, body := range k.p.bodies(w.topic) {
		if before, _ := strconv.Atoi(body); before >= n {
			k.t.Errorf("%s: %d is kept, the log has %d", w.topic, n, before)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if n < k.last[w.topic] {
		k.t.Errorf("%s: %d is kept behind %d", w.topic, n, k.last[w.topic])
	}
	if n <= k.done[w.topic] {
		k.t.Errorf("%s: %d is kept when it is done", w.topic, n)
	}
	k.last[w.topic] = n
	k.had[w.topic] = append(k.had[w.topic], n)
}

// sends checks a send when it begins: its message is the last one kept, unless it could not be.
func (k *keptOrder) sends(o *Outgoing) {
	topic, payload := o.Properties[message.PropTopic], string(o.Body)
	n, _ := strconv.Atoi(payload)
	retain := o.Properties[message.PropRetain] == "true"
	k.mu.Lock()
	defer k.mu.Unlock()
	if retain && k.last[topic] != n && !k.full[write{topic, payload}] {
		k.t.Errorf("%s: %d is sent, the last one kept is %d", topic, n, k.last[topic])
	}
}

// ended checks a publication that is done: it was kept, if it was to be.
func (k *keptOrder) ended(topic string, n int, retain bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done[topic] = n
	if retain && err == nil && k.last[topic] != n {
		k.t.Errorf("%s: %d is done, the last one kept is %d", topic, n, k.last[topic])
	}
	if !retain && k.last[topic] == n {
		k.t.Errorf("%s: %d was not to be kept", topic, n)
	}
}

// TestRetainChaos publishes on many lanes and topics, some to be kept, while log and store fail in every way they may.
func TestRetainChaos(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { retainChaos(t, seed) })
		})
	}
}

func retainChaos(t *testing.T, seed uint64) {
	const lanes, topics, each = 6, 2, 40
	c := &chaos{rng: rand.New(rand.NewPCG(seed, 9))}
	p := &fakeProducer{t: t, findTime: c.look, tryPick: c.route, pick: c.pick}
	k := &keptOrder{t: t, p: p, last: map[string]int{}, had: map[string][]int{}, done: map[string]int{}, full: map[write]bool{}}
	p.judge = func(o *Outgoing) verdict {
		k.sends(o)
		return c.verdict(o)
	}
	r := &fakeRetainer{t: t, slow: func(int) time.Duration { return c.ms(5) }}
	r.judge = func(w write) fate {
		f := c.keep(w)
		if f.err == nil || f.written {
			k.wrote(w)
		}
		if f.err == errFull {
			k.mu.Lock()
			k.full[w] = true
			k.mu.Unlock()
		}
		return f
	}
	d := New(&fakeMatcher{answer: c.match}, p, Config{Retainer: r, PublishTimeout: time.Hour})
	var wg sync.WaitGroup
	for lane := range lanes {
		l := d.NewLane()
		wg.Go(func() {
			for n := 1; n <= each; n++ {
				name, retain := fmt.Sprintf("t%d/%d", lane, c.under(topics)), c.under(2) == 0
				l.Publish(&message.Publication{
					Message: &message.Message{Topic: name, Payload: []byte(strconv.Itoa(n)), QoS: byte(c.under(3)), Retain: retain},
					Done:    func(_ message.Result, err error) { k.ended(name, n, retain, err) },
				})
				time.Sleep(c.ms(10))
			}
		})
	}
	wg.Wait()
	closed(t, d)
	kept := 0
	for _, ns := range k.had {
		kept += len(ns)
	}
	if kept < lanes*each/4 {
		t.Errorf("only %d of %d were kept", kept, lanes*each)
	}
}
