package client

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// TestAdvertised: CONNACK says what is served, and nothing else.
func TestAdvertised(t *testing.T) {
	base := packet.ConnackProperties{ReceiveMaximum: 64, MaximumPacketSize: 262144, TopicAliasMaximum: 32}
	with := func(change func(*packet.ConnackProperties)) packet.ConnackProperties {
		p := base
		change(&p)
		return p
	}
	props := func(change func(*packet.ConnectProperties)) func(*packet.Connect) {
		return func(c *packet.Connect) { change(&c.Properties) }
	}
	expiry := func(s uint32) packet.ConnackProperties {
		return with(func(p *packet.ConnackProperties) { p.HasSessionExpiry, p.SessionExpiry = true, s })
	}
	for _, tt := range []struct {
		name   string
		cfg    Config
		change func(*packet.Connect)
		want   packet.ConnackProperties
		expiry time.Duration
	}{
		{"plain", Config{}, func(*packet.Connect) {}, base, 0},
		{"keep alive", Config{}, func(c *packet.Connect) { c.KeepAlive = 300 }, base, 0},
		{"no keep alive", Config{}, func(c *packet.Connect) { c.KeepAlive = 0 }, base, 0},
		{"long keep alive", Config{}, func(c *packet.Connect) { c.KeepAlive = 301 }, with(func(p *packet.ConnackProperties) {
			p.HasServerKeepAlive, p.ServerKeepAlive = true, 300
		}), 0},
		{"session expiry", Config{}, props(func(p *packet.ConnectProperties) { p.SessionExpiry = 60 }), base, time.Minute},
		{"session expiry, too long", Config{}, props(func(p *packet.ConnectProperties) { p.SessionExpiry = 1e6 }), expiry(604800), 168 * time.Hour},
		{"session expiry, never", Config{}, props(func(p *packet.ConnectProperties) { p.SessionExpiry = 0xFFFFFFFF }), expiry(604800), 168 * time.Hour},
		{
			"session expiry, never, granted",
			Config{SessionExpiryMax: 2 * session.Never},
			props(func(p *packet.ConnectProperties) { p.SessionExpiry = 0xFFFFFFFF }), base, session.Never,
		},
		{"session expiry, none granted", Config{SessionExpiryMax: -1}, props(func(p *packet.ConnectProperties) { p.SessionExpiry = 60 }), expiry(0), 0},
		{"response information, none", Config{}, props(func(p *packet.ConnectProperties) { p.RequestResponseInfo = true }), base, 0},
		{"response information", Config{ResponseInfo: "r/"}, props(func(p *packet.ConnectProperties) { p.RequestResponseInfo = true }), with(func(p *packet.ConnackProperties) {
			p.ResponseInfo = "r/"
		}), 0},
		{"response information, not wanted", Config{ResponseInfo: "r/"}, func(*packet.Connect) {}, base, 0},
		{"sizes", Config{MaxPacketSize: 1000, ReceiveMaximum: 1e6, TopicAliases: 7}, func(*packet.Connect) {}, packet.ConnackProperties{
			ReceiveMaximum: 65535, MaximumPacketSize: 1000, TopicAliasMaximum: 7,
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, tt.cfg, func(t *testing.T, r *rig) {
				var got packet.ConnackProperties
				see := func(p packet.Packet) {
					if ack, ok := p.(*packet.Connack); ok {
						got = ack.Properties
					}
				}
				r.dial(v5, false, see).send(connect(v5, "c", tt.change)).want("CONNACK 00")
				if d := cmp.Diff(tt.want, got); d != "" {
					t.Error(d)
				}
				if e := r.store.sessions["c"].expiry; e != tt.expiry {
					t.Errorf("kept for %v", e)
				}
			})
		})
	}
}

// TestAssigned: a client without an identifier is given one of its own, and is served under it.
func TestAssigned(t *testing.T) {
	run(t, Config{}, func(t *testing.T, r *rig) {
		seen := map[string]bool{}
		see := func(p packet.Packet) {
			if ack, ok := p.(*packet.Connack); ok {
				seen[ack.Properties.AssignedClientID] = true
			}
		}
		for range 3 {
			r.dial(v5, false, see).send(connect(v5, "")).want("CONNACK 00")
		}
		if len(seen) != 3 || seen[""] {
			t.Errorf("assigned %v", seen)
		}
		for id := range seen {
			if r.store.owner(id) == "" {
				t.Errorf("no session of %q", id)
			}
		}
	})
}

// TestExpiryAtGoodbye: what DISCONNECT says of the session expiry interval, within what is granted.
func TestExpiryAtGoodbye(t *testing.T) {
	for _, tt := range []struct {
		name        string
		asked, said uint32
		want        time.Duration
	}{
		{"shorter", 3600, 5, 5 * time.Second},
		{"longer", 60, 3600, time.Hour},
		{"too long", 60, 1e6, 168 * time.Hour},
		{"never", 60, 0xFFFFFFFF, 168 * time.Hour},
		{"at once", 60, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, r *rig) {
				var wrote time.Duration
				r.store.onWrite = func(c session.Change) (error, error) { wrote = *c.Expiry; return nil, nil }
				p := r.dial(v5, false, nil).send(connect(v5, "c", func(c *packet.Connect) { c.Properties.SessionExpiry = tt.asked }),
					&packet.Disconnect{HasSessionExpiry: true, SessionExpiry: tt.said})
				<-p.served
				if wrote != tt.want || (r.store.sessions["c"] == nil) != (tt.want == 0) {
					t.Errorf("wrote %v, session %+v", wrote, r.store.sessions["c"])
				}
			})
		})
	}
}

// TestReasonStrings: a failure has words in 5.0, unless the client wants none: then in CONNACK and DISCONNECT at most.
func TestReasonStrings(t *testing.T) {
	for _, quiet := range []bool{false, true} {
		run(t, Config{MaxSubscriptions: 1}, func(t *testing.T, r *rig) {
			r.log.verdict = func(*message.Message) (time.Duration, bool, error) { return 0, false, message.ErrRefused }
			words := map[packet.Type]string{}
			see := func(p packet.Packet) {
				switch p := p.(type) {
				case *packet.Puback:
					words[p.Type()] = p.Reason
				case *packet.Pubrec:
					words[p.Type()] = p.Reason
				case *packet.Suback:
					words[p.Type()] = p.Reason
				case *packet.Unsuback:
					words[p.Type()] = p.Reason
				case *packet.Disconnect:
					words[p.Type()] = p.Reason
				}
			}
			r.dial(v5, false, see).send(connect(v5, "c", func(c *packet.Connect) { c.Properties.NoProblemInfo = quiet }),
				pub(1, 1, "t", ""), pub(2, 2, "t", ""), subscribe(3, "a", "b"), unsubscribe(4, "x", "fail"), connect(v5, "c")).
				want("CONNACK 00, PUBACK 1 83, PUBREC 2 83, SUBACK 3 01 97, UNSUBACK 4 00 80, DISCONNECT 82, closed 82")
			want := map[packet.Type]string{
				packet.PUBACK: "RocketMQ does not take this message as it is", packet.PUBREC: "RocketMQ does not take this message as it is",
				packet.SUBACK: "filter 2: too many subscriptions", packet.UNSUBACK: "filter 2: that could not be kept, try again",
				packet.DISCONNECT: "unexpected CONNECT",
			}
			if quiet {
				for k := range want {
					want[k] = ""
				}
			}
			if d := cmp.Diff(want, words); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestWrongConnects: values of CONNECT that the protocol does not allow.
func TestWrongConnects(t *testing.T) {
	five := func(props string) []byte {
		b := []byte("\x10\x00\x00\x04MQTT\x05\x02\x00\x00")
		b = append(append(append(b, byte(len(props))), props...), "\x00\x01c"...)
		b[1] = byte(len(b) - 2)
		return b
	}
	for name, tt := range map[string]struct {
		send []byte
		want string
	}{
		"receive maximum 0":            {five("\x21\x00\x00"), "CONNACK 82, closed 82"},
		"maximum packet size 0":        {five("\x27\x00\x00\x00\x00"), "CONNACK 82, closed 82"},
		"session expiry twice":         {five("\x11\x00\x00\x00\x01\x11\x00\x00\x00\x01"), "CONNACK 82, closed 82"},
		"problem information 2":        {five("\x17\x02"), "CONNACK 82, closed 82"},
		"response information 2":       {five("\x19\x02"), "CONNACK 82, closed 82"},
		"authentication data alone":    {five("\x16\x00\x01x"), "CONNACK 82, closed 82"},
		"topic alias maximum 0":        {five("\x22\x00\x00"), "CONNACK 00"},
		"a property of another packet": {five("\x23\x00\x01"), "CONNACK 81, closed 81"},
		"will topic with a wildcard":   {[]byte("\x10\x15\x00\x04MQTT\x05\x06\x00\x00\x00\x00\x01c\x00\x00\x02t+\x00\x00"), "CONNACK 90, closed 90"},
		"will topic, 3.1.1":            {[]byte("\x10\x13\x00\x04MQTT\x04\x06\x00\x00\x00\x01c\x00\x02t+\x00\x00"), "closed 90"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, r *rig) {
				v := packet.V5
				if tt.send[8] == 4 {
					v = packet.V311
				}
				r.dial(v, false, nil).send(tt.send).want(tt.want)
			})
		})
	}
}

// TestSubscribeWrong: SUBSCRIBEs that end the connection.
func TestSubscribeWrong(t *testing.T) {
	for name, tt := range map[string]struct {
		send any
		want string
	}{
		"no local on a shared one":  {[]byte("\x82\x10\x00\x01\x00\x00\x0a$share/g/t\x05"), "DISCONNECT 82, closed 82"},
		"identifier 0":              {[]byte("\x82\x09\x00\x01\x02\x0b\x00\x00\x01a\x01"), "DISCONNECT 82, closed 82"},
		"identifier too large":      {[]byte("\x82\x0d\x00\x01\x06\x0b\xff\xff\xff\xff\x7f\x00\x01a\x01"), "DISCONNECT 81, closed 81"},
		"no filter":                 {[]byte("\x82\x03\x00\x01\x00"), "DISCONNECT 82, closed 82"},
		"reserved option":           {[]byte("\x82\x07\x00\x01\x00\x00\x01a\x41"), "DISCONNECT 81, closed 81"},
		"retain handling 3":         {[]byte("\x82\x07\x00\x01\x00\x00\x01a\x31"), "DISCONNECT 82, closed 82"},
		"packet id 0":               {[]byte("\x82\x07\x00\x00\x00\x00\x01a\x01"), "DISCONNECT 82, closed 82"},
		"wrong flags":               {[]byte("\x80\x07\x00\x01\x00\x00\x01a\x01"), "DISCONNECT 81, closed 81"},
		"UNSUBSCRIBE of nothing":    {[]byte("\xa2\x03\x00\x01\x00"), "DISCONNECT 82, closed 82"},
		"share without group":       {subscribe(1, "$share//t"), "SUBACK 1 8f"},
		"share with wildcard group": {subscribe(1, "$share/+/t", "$share/a#/t"), "SUBACK 1 8f 8f"},
		"share of a share":          {subscribe(1, "$share/g/$share/h/t"), "SUBACK 1 8f"},
		"share of a wrong filter":   {subscribe(1, "$share/g/a#"), "SUBACK 1 8f"},
		"share of everything":       {subscribe(1, "$share/g/#", "$share/g//", "$share/g/+/a"), "SUBACK 1 01 01 01"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, Config{}, func(t *testing.T, r *rig) {
				p := r.dial(v5, false, nil).send(connect(v5, "c"))
				p.want("CONNACK 00")
				p.send(tt.send).want(tt.want)
			})
		})
	}
}
