package client

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"lmqgate/adapter/packet"
)

func template(t testing.TB, topic, payload string) *packet.Template {
	tp, err := packet.NewTemplate(pub(0, 0, topic, payload), v5)
	if err != nil {
		t.Fatal(err)
	}
	return tp
}

// takes lets a client take n topic aliases, and packets of at most size bytes.
func takes(n uint16, size uint32) func(*packet.Connect) {
	return func(c *packet.Connect) {
		c.Properties.TopicAliasMaximum, c.Properties.MaximumPacketSize = n, size
	}
}

// TestAliases: a topic that comes a second time gets an alias, from the third time on the alias stands for it.
func TestAliases(t *testing.T) {
	long := strings.Repeat("x", aliasedTo+1)
	for _, tt := range []struct {
		name   string
		change func(*packet.Connect)
		topics []string
		want   string
	}{
		{"none taken", takes(0, 0), []string{"long", "long", "long"}, "PUBLISH long p, PUBLISH long p, PUBLISH long p"},
		{"repeated", takes(5, 0), []string{"long", "long", "long", "long"}, "PUBLISH long p, PUBLISH long=1 p, PUBLISH =1 p, PUBLISH =1 p"},
		{"once each", takes(5, 0), []string{"long1", "long2", "long3"}, "PUBLISH long1 p, PUBLISH long2 p, PUBLISH long3 p"},
		{"short", takes(5, 0), []string{"abc", "abc", "abc"}, "PUBLISH abc p, PUBLISH abc p, PUBLISH abc p"},
		{"very long", takes(5, 0), []string{long, long, long}, "PUBLISH " + long + " p, PUBLISH " + long + " p, PUBLISH " + long + " p"},
		{
			"one only", takes(1, 0),
			[]string{"long1", "long1", "long2", "long2", "long2", "long1"},
			"PUBLISH long1 p, PUBLISH long1=1 p, PUBLISH long2 p, PUBLISH long2 p, PUBLISH long2 p, PUBLISH =1 p",
		},
		{ // PUBLISH of "long" takes 10 bytes, with an alias 13
			"too large with an alias", takes(5, 12),
			[]string{"long", "long", "long"},
			"PUBLISH long p, PUBLISH long p, PUBLISH long p",
		},
		{"just large enough", takes(5, 13), []string{"long", "long", "long"}, "PUBLISH long p, PUBLISH long=1 p, PUBLISH =1 p"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, r *rig) {
				// CONNACK has to fit too, so the limit is set behind it.
				limit := uint32(0)
				p := r.dial(v5, false, nil).send(connect(v5, "c", tt.change, func(c *packet.Connect) {
					limit, c.Properties.MaximumPacketSize = c.Properties.MaximumPacketSize, 0
				}))
				p.want("CONNACK 00")
				r.srv.all()[0].maxPacket = int(limit)
				d := r.deliver.last()
				for _, name := range tt.topics {
					d.link.SendDelivery(template(t, name, "p"), packet.Delivery{})
				}
				p.want(tt.want)
			})
		})
	}
	run(t, Config{}, func(t *testing.T, r *rig) { // before 5.0
		p := r.dial(packet.V311, false, nil).send(connect(packet.V311, "c"))
		p.want("CONNACK 00")
		tp, err := packet.NewTemplate(pub(0, 0, "long", "p"), packet.V311)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			r.deliver.last().link.SendDelivery(tp, packet.Delivery{})
		}
		p.want("PUBLISH long p, PUBLISH long p, PUBLISH long p")
	})
}

// TestAliasesModel: a client that follows the rules understands every topic, whatever comes in which order and from how
// many goroutines; no alias is beyond what it takes.
func TestAliasesModel(t *testing.T) {
	for seed := range uint64(30) {
		run(t, Config{}, func(t *testing.T, r *rig) {
			random := rand.New(rand.NewPCG(seed, 7))
			most := uint16(1 + random.IntN(50))
			known := map[uint16]string{}
			var mu sync.Mutex
			var aliased, bad int
			see := func(p packet.Packet) {
				q, ok := p.(*packet.Publish)
				if !ok {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				topic := q.Topic
				if q.TopicAlias > most || q.TopicAlias > maxAliases || topic == "" && known[q.TopicAlias] == "" {
					bad++
				}
				if topic == "" {
					topic = known[q.TopicAlias]
					aliased++
				} else if q.TopicAlias > 0 {
					known[q.TopicAlias] = strings.Clone(topic)
				}
				if topic != string(q.Payload) {
					bad++
				}
			}
			p := r.dial(v5, false, see).send(connect(v5, "c", takes(most, 0)))
			p.want("CONNACK 00")
			d := r.deliver.last()
			topics := 1 + random.IntN(100)
			var all sync.WaitGroup
			for g := range uint64(3) {
				all.Go(func() {
					random := rand.New(rand.NewPCG(seed, g))
					for i := range 1000 {
						name := fmt.Sprint("topic/", (random.IntN(topics)+i/300*40)%200)
						d.link.SendDelivery(template(t, name, name), packet.Delivery{QoS: 1, PacketID: 1})
					}
				})
			}
			all.Wait()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if n := strings.Count(p.take(), "PUBLISH"); n != 3000 || bad > 0 {
				t.Errorf("%d came, %d wrong", n, bad)
			}
			if aliased == 0 {
				t.Error("no alias was used")
			}
		})
	}
}

// TestAliasesChange: topics that do not come any more give their aliases to others.
func TestAliasesChange(t *testing.T) {
	a := &aliases{}
	fill := func(from, n int) (given int) {
		for range 10 {
			for i := range n {
				name := []byte(fmt.Sprint(from + i))
				a.clock++
				if j := a.find(uint32(from+i), name); j >= 0 {
					a.given[j].used = a.clock
					given++
				} else if j := a.place(4); j >= 0 {
					one := aliasGiven(uint32(from+i), a.clock, string(name))
					if j == len(a.given) {
						a.given = append(a.given, one)
					} else {
						a.given[j] = one
					}
				}
			}
		}
		return given
	}
	if n := fill(0, 4); n != 36 {
		t.Errorf("%d of 40", n)
	}
	if n := fill(100, 8); n != 0 { // so soon
		t.Errorf("%d of 80", n)
	}
	if n := fill(100, 8); n == 0 || len(a.given) != 4 { // the first have not come for a while
		t.Errorf("%d of 80 with %d aliases", n, len(a.given))
	}
}

func aliasGiven(hash, used uint32, topic string) given {
	return given{hash: hash, used: used, topic: topic}
}

// BenchmarkSendDelivery is what one more subscriber costs a message, with and without aliases.
func BenchmarkSendDelivery(b *testing.B) {
	for _, most := range []uint16{0, 10} {
		b.Run(fmt.Sprint("aliases=", most), func(b *testing.B) {
			s := NewServer(Deps{}, Config{})
			c := &client{srv: s, version: v5}
			c.out.c, c.out.most, c.out.writing = c, most, true // nobody writes
			t := template(b, "devices/kitchen/temperature", strings.Repeat("x", 100))
			buf := make([]byte, 0, 1<<16)
			b.ReportAllocs()
			for b.Loop() {
				buf = buf[:0]
				c.out.buf = &buf
				c.SendDelivery(t, packet.Delivery{QoS: 1, PacketID: 7})
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
