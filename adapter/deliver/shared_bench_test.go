package deliver

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/registry"
)

// benchPops hands out nothing by itself and knows one group.
type benchPops struct {
	registry.Groups
	acks atomic.Int64
}

type benchHandle time.Time

func (h benchHandle) Until() time.Time { return time.Time(h) }

func (*benchPops) Join(context.Context, string, time.Duration, int) (registry.Life, registry.Stage, error) {
	return registry.Life{Token: "x", Brokers: []string{"a"}}, registry.StageBegun, nil
}

func (*benchPops) Pop(_ PopRequest, done func([]Popped, int64, error)) (cancel func()) {
	return func() { done(nil, 0, context.Canceled) }
}

func (p *benchPops) Ack(_ Handle, done func(error)) {
	p.acks.Add(1)
	done(nil)
}

func (*benchPops) Return(h Handle, _ time.Duration, done func(Handle, error)) { done(h, nil) }
func (*benchPops) BeginGroup(context.Context, string, Ref) error              { return nil }
func (*benchPops) EndGroup(context.Context, string, Ref) error                { return nil }
func (*benchPops) GroupName(parts ...string) string                           { return parts[1] }

// BenchmarkShared: one popped message to one of 1,000 members, acknowledged by it if it has a QoS.
func BenchmarkShared(b *testing.B) {
	for _, qos := range []byte{0, 1, 2} {
		b.Run(fmt.Sprint("qos=", qos), func(b *testing.B) {
			const n = 1000
			h, _ := benchHub(b, 64)
			pops := &benchPops{}
			h.cfg.Shared.Pops, h.cfg.Shared.Groups = pops, pops
			var sent atomic.Int64
			sessions, links := make([]*Session, n), make([]*benchLink, n)
			for i := range n {
				links[i] = &benchLink{sent: &sent, done: make(chan struct{}, 1), want: 1 << 60}
				sessions[i] = benchSession(h, fmt.Sprint(i), "$share/g/t", qos, false, links[i])
				defer func() { _ = sessions[i].Close(context.Background()) }()
			}
			sh := h.shares["$share/g/t"]
			<-sh.begun
			p := &popper{share: sh, broker: "a"}
			m := &message.Message{Topic: "t", Payload: make([]byte, 200), QoS: qos}
			until := benchHandle(time.Now().Add(time.Hour))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.hand(sh.life, Popped{Entry: &Entry{Offset: int64(i), Message: m}, Handle: until})
				if qos == 0 || i%n != n-1 {
					continue
				}
				for j, l := range links {
					for _, id := range l.ids {
						sessions[j].Puback(id)
						sessions[j].Pubrec(id, 0)
						sessions[j].Pubcomp(id)
					}
					l.ids = l.ids[:0]
				}
			}
			if sent.Load() < int64(b.N) {
				b.Errorf("%d of %d sent", sent.Load(), b.N)
			}
		})
	}
}
