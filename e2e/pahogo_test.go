package e2e

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/extensions/rpc"
	"github.com/eclipse/paho.golang/paho/extensions/topicaliases"
	"github.com/eclipse/paho.golang/paho/session/state"
	pahov3 "github.com/eclipse/paho.mqtt.golang"
)

// TestPahoGo makes a tour with Eclipse Paho for Go: paho.golang, which speaks MQTT 5.0, and paho.mqtt.golang, which speaks
// 3.1.1, over TCP and WebSocket, with clients on two instances.
func TestPahoGo(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		for _, transport := range []string{"tcp", "ws"} {
			at := []string{"tcp://" + f.instances[0].tcp, "tcp://" + f.instances[1].tcp}
			if transport == "ws" {
				at = []string{f.instances[0].ws(), f.instances[1].ws()}
			}
			t.Run("5.0 over "+transport, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 3*soon)
				defer cancel()
				(&tour5{t: t, ctx: ctx, base: f.topic("v5-%s", transport), one: at[0], two: at[1]}).all()
			})
			t.Run("3.1.1 over "+transport, func(t *testing.T) {
				(&tour3{t: t, base: f.topic("v3-%s", transport), one: at[0], two: at[1]}).all()
			})
		}
	})
}

// tour5 is the tour with paho.golang.
type tour5 struct {
	t        *testing.T
	ctx      context.Context
	base     string
	one, two string
	pub      *traveller5
}

// traveller5 is one client.
type traveller5 struct {
	*paho.Client
	tour *tour5
	conn net.Conn
	ack  *paho.Connack
	got  chan *paho.Publish
}

func (r *tour5) all() {
	r.pub = r.connect(r.two, "publisher", nil, nil)
	r.retained()
	r.will()
	r.resumed()
	r.shared()
	r.asked()
	r.aliases()
}

// connect connects a client whose id is a topic, as paho's RPC wants it.
func (r *tour5) connect(addr, name string, config func(*paho.ClientConfig), hello func(*paho.Connect)) *traveller5 {
	r.t.Helper()
	conn, err := open(strings.TrimPrefix(addr, "tcp://"))
	must(r.t, err)
	r.t.Cleanup(func() { _ = conn.Close() })
	c := &traveller5{tour: r, conn: conn, got: make(chan *paho.Publish, 1000)}
	cfg := paho.ClientConfig{
		Conn: packets.NewThreadSafeConn(conn), PacketTimeout: soon,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(p paho.PublishReceived) (bool, error) {
			c.got <- p.Packet
			return true, nil
		}},
	}
	if config != nil {
		config(&cfg)
	}
	c.Client = paho.NewClient(cfg)
	p := &paho.Connect{ClientID: r.base + "/" + name, CleanStart: true, KeepAlive: 60}
	if hello != nil {
		hello(p)
	}
	c.ack, err = c.Connect(r.ctx, p)
	must(r.t, err)
	return c
}

// subscribe subscribes below the tour's base, with an identifier if that is not 0.
func (c *traveller5) subscribe(rest string, qos byte, id int, change ...func(*paho.SubscribeOptions)) {
	c.tour.t.Helper()
	o := paho.SubscribeOptions{Topic: c.tour.base + "/" + rest, QoS: qos}
	for _, f := range change {
		f(&o)
	}
	s := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{o}}
	if id > 0 {
		s.Properties = &paho.SubscribeProperties{SubscriptionIdentifier: &id}
	}
	ack, err := c.Client.Subscribe(c.tour.ctx, s)
	must(c.tour.t, err)
	if ack.Reasons[0] != qos {
		c.tour.t.Fatalf("SUBACK %#x for %s", ack.Reasons[0], o.Topic)
	}
}

func (c *traveller5) say(rest, text string, qos byte, retain bool) {
	c.tour.t.Helper()
	_, err := c.Publish(c.tour.ctx, &paho.Publish{Topic: c.tour.base + "/" + rest, QoS: qos, Retain: retain, Payload: []byte(text)})
	must(c.tour.t, err)
}

// next takes the next message, which must have that topic and text.
func (c *traveller5) next(rest, text string) *paho.Publish {
	c.tour.t.Helper()
	m := take(c.tour.t, c.got)
	if m.Topic != c.tour.base+"/"+rest || string(m.Payload) != text {
		c.tour.t.Fatalf("got %s %q, want %s/%s %q", m.Topic, m.Payload, c.tour.base, rest, text)
	}
	return m
}

func (r *tour5) retained() {
	r.pub.say("kept/a", "a", 1, true)
	r.pub.say("kept/b", "b", 2, true)
	r.pub.say("kept/b", "", 1, true)
	c := r.connect(r.one, "late", nil, nil)
	c.subscribe("kept/#", 2, 5)
	if m := c.next("kept/a", "a"); !m.Retain || m.QoS != 1 || m.Properties.SubscriptionIdentifier == nil || *m.Properties.SubscriptionIdentifier != 5 {
		r.t.Errorf("retained: %v", m)
	}
	c.subscribe("kept/#", 1, 6, func(o *paho.SubscribeOptions) { o.RetainHandling = 2; o.RetainAsPublished = true })
	r.pub.say("kept/end", "end", 1, true)
	if m := c.next("kept/end", "end"); !m.Retain || m.Properties.SubscriptionIdentifier == nil || *m.Properties.SubscriptionIdentifier != 6 {
		r.t.Errorf("retain as published: %v", m)
	}
	must(r.t, c.Disconnect(&paho.Disconnect{}))
}

func (r *tour5) will() {
	watch := r.connect(r.one, "watch", nil, nil)
	watch.subscribe("will", 2, 0)
	mortal := func(name string) *traveller5 {
		return r.connect(r.two, name, nil, func(p *paho.Connect) {
			p.WillMessage = &paho.WillMessage{Topic: r.base + "/will", Payload: []byte(name), QoS: 2}
			p.WillProperties = &paho.WillProperties{User: paho.UserProperties{{Key: "k", Value: "v"}}} // paho sends no others but the delay
		})
	}
	must(r.t, mortal("says goodbye").Disconnect(&paho.Disconnect{}))
	_ = mortal("breaks off").conn.Close()
	m := watch.next("will", "breaks off")
	if m.QoS != 2 || m.Retain || len(m.Properties.User) != 1 || m.Properties.User[0].Value != "v" {
		r.t.Errorf("will: %v", m)
	}
	must(r.t, watch.Disconnect(&paho.Disconnect{}))
}

func (r *tour5) resumed() {
	keep := state.NewInMemory()
	stay := func(p *paho.Connect) {
		hour := uint32(3600)
		p.CleanStart, p.Properties = false, &paho.ConnectProperties{SessionExpiryInterval: &hour}
	}
	use := func(c *paho.ClientConfig) { c.Session = keep }
	c := r.connect(r.one, "session", use, stay)
	if c.ack.SessionPresent {
		r.t.Error("session present is 1 at first")
	}
	c.subscribe("q/+", 2, 9)
	r.pub.say("q/0", "here", 0, false) // Paho repeats what it had not acknowledged when the connection broke
	c.next("q/0", "here")
	_ = c.conn.Close()
	<-c.Done()
	for n := range 20 {
		r.pub.say("q/1", fmt.Sprint("missed ", n), 1+byte(n%2), false)
	}
	c = r.connect(r.two, "session", use, stay)
	if !c.ack.SessionPresent {
		r.t.Error("session present is 0 on the other instance")
	}
	got := map[byte][]string{}
	for range 20 {
		m := take(r.t, c.got)
		if m.Topic != r.base+"/q/1" || m.Properties.SubscriptionIdentifier == nil || *m.Properties.SubscriptionIdentifier != 9 {
			r.t.Errorf("missed: %v", m)
		}
		got[m.QoS] = append(got[m.QoS], string(m.Payload))
	}
	missed(r.t, got)
	must(r.t, c.Disconnect(&paho.Disconnect{}))
}

func (r *tour5) shared() {
	members := []*traveller5{r.connect(r.one, "member-0", nil, nil), r.connect(r.two, "member-1", nil, nil)}
	for _, c := range members {
		s, err := c.Client.Subscribe(r.ctx, &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: "$share/crew/" + r.base + "/work/+", QoS: 1}}})
		if err != nil || s.Reasons[0] != 1 {
			r.t.Fatalf("subscribe: %+v, %v", s, err)
		}
	}
	beside := r.connect(r.one, "beside", nil, nil)
	beside.subscribe("work/+", 1, 0)
	const n = 30
	for i := range n {
		r.pub.say(fmt.Sprint("work/", i%3), fmt.Sprint(i), 1, false)
	}
	got := map[string]int{}
	for range n {
		take(r.t, beside.got)
		select {
		case m := <-members[0].got:
			got[string(m.Payload)]++
		case m := <-members[1].got:
			got[string(m.Payload)]++
		case <-time.After(soon):
			r.t.Fatalf("the group got %d of %d messages", len(got), n)
		}
	}
	if len(got) != n {
		r.t.Errorf("the group got %v", got)
	}
	for _, c := range append(members, beside) {
		must(r.t, c.Disconnect(&paho.Disconnect{}))
	}
}

// asked is request and response with paho's own extension for it.
func (r *tour5) asked() {
	server := r.connect(r.one, "server", nil, nil)
	server.AddOnPublishReceived(func(p paho.PublishReceived) (bool, error) {
		m := p.Packet
		go func() {
			_, _ = p.Client.Publish(r.ctx, &paho.Publish{
				Topic: m.Properties.ResponseTopic, QoS: 1, Payload: []byte(strings.ToUpper(string(m.Payload))),
				Properties: &paho.PublishProperties{CorrelationData: m.Properties.CorrelationData},
			})
		}()
		return true, nil
	})
	server.subscribe("ask", 1, 0)
	asker := r.connect(r.two, "asker", nil, nil)
	h, err := rpc.NewHandler(r.ctx, asker.Client)
	must(r.t, err)
	for _, question := range []string{"one", "two", "grüße"} {
		answer, err := h.Request(r.ctx, &paho.Publish{Topic: r.base + "/ask", QoS: 1, Payload: []byte(question)})
		must(r.t, err)
		if string(answer.Payload) != strings.ToUpper(question) {
			r.t.Errorf("asked %q, got %q", question, answer.Payload)
		}
	}
	for _, c := range []*traveller5{server, asker} {
		must(r.t, c.Disconnect(&paho.Disconnect{}))
	}
}

func (r *tour5) aliases() {
	watch := r.connect(r.two, "alias-watch", nil, nil)
	watch.subscribe("alias/+", 1, 0)
	limit := watch.ack.Properties.TopicAliasMaximum
	if limit == nil || *limit < 3 {
		r.t.Fatalf("topic alias maximum %v", limit)
	}
	handler := topicaliases.NewTAHandler(*limit)
	used := 0
	c := r.connect(r.one, "alias", func(c *paho.ClientConfig) {
		c.PublishHook = func(p *paho.Publish) {
			if handler.PublishHook(p); p.Topic == "" {
				used++
			}
		}
	}, nil)
	for n := range 9 {
		rest := fmt.Sprint("alias/", n%3)
		c.say(rest, fmt.Sprint(n), 1, false)
		watch.next(rest, fmt.Sprint(n))
	}
	if used != 6 {
		r.t.Errorf("%d of 9 messages used an alias for their topic, want 6", used)
	}
	for _, c := range []*traveller5{watch, c} {
		must(r.t, c.Disconnect(&paho.Disconnect{}))
	}
}

// missed requires the even ones of 20 messages with QoS 1, and the odd ones with QoS 2; each QoS has an order of its own
// [MQTT-4.6.0-5].
func missed(t *testing.T, got map[byte][]string) {
	t.Helper()
	for n := range 20 {
		list := got[1+byte(n%2)]
		if len(list) != 10 || list[n/2] != fmt.Sprint("missed ", n) {
			t.Errorf("missed with QoS %d: %q", 1+n%2, list)
			return
		}
	}
}

// tour3 is the tour with paho.mqtt.golang.
type tour3 struct {
	t        *testing.T
	base     string
	one, two string
	pub      *traveller3
}

// traveller3 is one client.
type traveller3 struct {
	pahov3.Client
	tour *tour3
	conn net.Conn
	got  chan pahov3.Message
}

func (r *tour3) all() {
	r.pub = r.connect(r.two, "publisher", nil)
	r.retained()
	r.will()
	r.resumed()
	r.shared()
	r.pub.Disconnect(250)
}

func (r *tour3) connect(addr, name string, change func(*pahov3.ClientOptions)) *traveller3 {
	r.t.Helper()
	c := &traveller3{tour: r, got: make(chan pahov3.Message, 1000)}
	o := pahov3.NewClientOptions().AddBroker(addr).SetClientID(r.base + "/" + name).SetProtocolVersion(4).SetAutoReconnect(false).
		SetConnectTimeout(soon).SetWriteTimeout(soon).SetOrderMatters(true).
		SetDefaultPublishHandler(func(_ pahov3.Client, m pahov3.Message) { c.got <- m }).
		SetCustomOpenConnectionFn(func(*url.URL, pahov3.ClientOptions) (net.Conn, error) {
			conn, err := open(strings.TrimPrefix(addr, "tcp://"))
			c.conn = conn
			return conn, err
		})
	if change != nil {
		change(o)
	}
	c.Client = pahov3.NewClient(o)
	await(r.t, c.Connect())
	r.t.Cleanup(func() { _ = c.conn.Close() })
	return c
}

func (c *traveller3) subscribe(filter string, qos byte) {
	c.tour.t.Helper()
	token := c.Subscribe(filter, qos, func(_ pahov3.Client, m pahov3.Message) { c.got <- m })
	await(c.tour.t, token)
	if strings.HasPrefix(filter, "$share/") { // how paho names it in the result
		filter = strings.SplitN(filter, "/", 3)[2]
	}
	if got := token.(*pahov3.SubscribeToken).Result()[filter]; got != qos {
		c.tour.t.Fatalf("SUBACK %#x for %s", got, filter)
	}
}

func (c *traveller3) say(rest, text string, qos byte, retain bool) {
	c.tour.t.Helper()
	await(c.tour.t, c.Publish(c.tour.base+"/"+rest, qos, retain, text))
}

func (c *traveller3) next(rest, text string, qos byte, retain bool) {
	c.tour.t.Helper()
	m := take(c.tour.t, c.got)
	if m.Topic() != c.tour.base+"/"+rest || string(m.Payload()) != text || m.Qos() != qos || m.Retained() != retain {
		c.tour.t.Fatalf("got %s %q QoS %d retain %v, want %s %q QoS %d retain %v", m.Topic(), m.Payload(), m.Qos(), m.Retained(), rest, text, qos, retain)
	}
}

func (r *tour3) retained() {
	r.pub.say("kept/a", "a", 1, true)
	r.pub.say("kept/b", "b", 2, true)
	r.pub.say("kept/b", "", 1, true)
	c := r.connect(r.one, "late", nil)
	c.subscribe(r.base+"/kept/#", 2)
	c.next("kept/a", "a", 1, true)
	r.pub.say("kept/end", "end", 1, true)
	c.next("kept/end", "end", 1, false)
	await(r.t, c.Unsubscribe(r.base+"/kept/#"))
	c.Disconnect(250)
}

func (r *tour3) will() {
	watch := r.connect(r.one, "watch", nil)
	watch.subscribe(r.base+"/will", 1)
	mortal := func(name string) *traveller3 {
		return r.connect(r.two, name, func(o *pahov3.ClientOptions) { o.SetWill(r.base+"/will", name, 1, false) })
	}
	mortal("says goodbye").Disconnect(250)
	_ = mortal("breaks off").conn.Close()
	watch.next("will", "breaks off", 1, false)
	watch.Disconnect(250)
}

func (r *tour3) resumed() {
	keep := pahov3.NewMemoryStore()
	stay := func(o *pahov3.ClientOptions) { o.SetCleanSession(false).SetStore(keep) }
	c := r.connect(r.one, "session", stay)
	c.subscribe(r.base+"/q/+", 2)
	r.pub.say("q/0", "here", 0, false)
	c.next("q/0", "here", 0, false)
	_ = c.conn.Close()
	for n := range 20 {
		r.pub.say("q/1", fmt.Sprint("missed ", n), 1+byte(n%2), false)
	}
	c = r.connect(r.two, "session", stay)
	got := map[byte][]string{}
	for range 20 {
		m := take(r.t, c.got)
		if m.Topic() != r.base+"/q/1" {
			r.t.Fatalf("got %s %q", m.Topic(), m.Payload())
		}
		got[m.Qos()] = append(got[m.Qos()], string(m.Payload()))
	}
	missed(r.t, got)
	c.Disconnect(250)
}

func (r *tour3) shared() {
	members := []*traveller3{r.connect(r.one, "member-0", nil), r.connect(r.two, "member-1", nil)}
	for _, c := range members {
		c.subscribe("$share/crew/"+r.base+"/work/+", 1)
	}
	const n = 30
	for i := range n {
		r.pub.say(fmt.Sprint("work/", i%3), fmt.Sprint(i), 1, false)
	}
	got := map[string]int{}
	for range n {
		select {
		case m := <-members[0].got:
			got[string(m.Payload())]++
		case m := <-members[1].got:
			got[string(m.Payload())]++
		case <-time.After(soon):
			r.t.Fatalf("the group got %d of %d messages", len(got), n)
		}
	}
	if len(got) != n {
		r.t.Errorf("the group got %v", got)
	}
	for _, c := range members {
		c.Disconnect(250)
	}
}
