package dispatch

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lmqgate/meta/message"
	"lmqgate/meta/metatest"
)

// TestContractWritten: what goes to the producer for a PUBLISH, byte for byte.
func TestContractWritten(t *testing.T) {
	c := metatest.LoadContract(t, "")
	filters := map[string][]string{}
	for _, w := range c.Written {
		filters[w.MQTT.Topic] = c.Filters(w.MQTT.Topic)
	}
	p := &fakeProducer{t: t}
	d := New(&fakeMatcher{filters: filters}, p, Config{P2P: true})
	queues := map[string]message.Place{}
	for n, w := range c.Written {
		m := w.MQTT.Message()
		r, err := d.Publish(t.Context(), m)
		if err != nil {
			t.Fatalf("%s %.40s: %v", w.Row, w.MQTT.Topic, err)
		}
		o := p.sent()[n]
		if got := strings.Join(o.Dispatch, ","); got != w.RocketMQ.Dispatch {
			t.Errorf("%s %.40s: dispatch %s, want %s", w.Row, w.MQTT.Topic, got, w.RocketMQ.Dispatch)
		}
		if o.Place.Topic != w.RocketMQ.Topic || string(o.Body) != string(w.RocketMQ.Body) {
			t.Errorf("%s %.40s: to %s, body %x", w.Row, w.MQTT.Topic, o.Place.Topic, o.Body)
		}
		if at, ok := queues[w.MQTT.Topic]; ok && at != o.Place {
			t.Errorf("%s %.40s: in queue %v, then %v", w.Row, w.MQTT.Topic, at, o.Place)
		}
		queues[w.MQTT.Topic] = o.Place
		if len(o.Key) != 32 || o.Key != r.Key {
			t.Errorf("%s %.40s: UNIQ_KEY %q, told %q", w.Row, w.MQTT.Topic, o.Key, r.Key)
		}
		got := maps.Clone(o.Properties)
		got[message.PropTags] = o.Tag
		if diff := cmp.Diff(w.RocketMQ.Properties, got); diff != "" {
			t.Errorf("%s %.40s: properties (-want +got)\n%s", w.Row, w.MQTT.Topic, diff)
		}
	}
}
