package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"lmqgate/adapter/packet"
)

// operates makes an admin request over HTTP and reads the answer.
func operates(t *testing.T, at *instance, method, path string, want int, into any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+at.http+"/v1/admin/"+path, nil)
	must(t, err)
	r.Header.Set("Authorization", "Bearer 0123456789abcdef")
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != want {
		t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, body)
	}
	if into != nil {
		must(t, json.Unmarshal(body, into))
	}
}

// subscriptionPath is where a client's subscription is.
func subscriptionPath(id, filter string) string {
	return "clients/" + url.PathEscape(id) + "/subscriptions/" + url.PathEscape(filter)
}

// TestOnBehalf: an operator subscribes clients to what they may not subscribe to themselves, on the other instance than theirs and
// while they are away; they get what is sent from then on, the retained message too, keep it over connections, and no more once the
// operator ends it.
func TestOnBehalf(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "ADMIN_TOKEN=0123456789abcdef",
			`ACL_RULES=[{"permission":"allow","action":"publish","topic":"#"},{"permission":"allow","action":"retain","topic":"#"}]`)
		one, two := f.instances[0], f.instances[1]
		filter, below := f.topic("news/+"), func(n int) string { return f.topic("news/%d", n) }
		pub := connected(t, "teller", packet.V5, one.tcp)
		here, away := connected(t, "here", packet.V5, one.tcp), connected(t, "a/way", packet.V5, one.tcp)
		if err := here.subscribe(1, filter); err == nil {
			t.Fatal("the rules allow it")
		}
		away.disconnect()
		acked := make(chan packet.ReasonCode, 1)
		tell := func(p packet.Publish) {
			t.Helper()
			p.QoS = 1
			pub.post(p, func(c packet.ReasonCode) { acked <- c })
			if code := take(t, acked); code.Failed() {
				t.Fatalf("publish %s: %v", p.Topic, code)
			}
		}
		tell(packet.Publish{Topic: below(0), Retain: true, Payload: []byte("kept")})

		var done struct {
			State   string
			Existed bool
			QoS     byte
		}
		operates(t, two, "PUT", subscriptionPath("here", filter)+"?qos=1", http.StatusOK, &done)
		if done.State != "connected" || done.Existed || done.QoS != 1 {
			t.Errorf("%+v", done)
		}
		f.prints("subscribe --qos 2 a/way "+filter, 0, "a/way is subscribed to "+filter+" (away, QoS 2)")
		tell(packet.Publish{Topic: below(1), Payload: []byte("first")})
		gets := func(d *device, payload string) {
			t.Helper()
			if !d.gets(soon, 1, func(a arrival) bool { return a.payload == payload }) {
				t.Fatalf("%s did not get %q", d.id, payload)
			}
		}
		gets(here, "kept")
		gets(here, "first")
		must(t, away.connect(two.tcp))
		gets(away, "kept")
		gets(away, "first")

		here.disconnect() // what the rules forbid stays with the next connection
		tell(packet.Publish{Topic: below(2), Payload: []byte("second")})
		must(t, here.connect(two.tcp))
		gets(here, "second")
		gets(away, "second")

		operates(t, one, "DELETE", subscriptionPath("here", filter), http.StatusOK, &done)
		if !done.Existed {
			t.Errorf("%+v", done)
		}
		away.disconnect()
		operates(t, one, "DELETE", subscriptionPath("a/way", filter), http.StatusOK, &done)
		if done.State != "away" || !done.Existed {
			t.Errorf("%+v", done)
		}
		f.prints("filters "+filter, 0, "no filter")
		operates(t, one, "PUT", subscriptionPath("a/way", f.topic("end")), http.StatusOK, nil)
		operates(t, one, "PUT", subscriptionPath("here", f.topic("end")), http.StatusOK, nil)
		tell(packet.Publish{Topic: below(3), Payload: []byte("third")})
		tell(packet.Publish{Topic: f.topic("end"), Payload: []byte("end")})
		must(t, away.connect(one.tcp))
		for _, d := range []*device{here, away} {
			gets(d, "end")
			if list := d.received(func(a arrival) bool { return a.payload == "third" }); len(list) != 0 {
				t.Errorf("%s still gets %v", d.id, list)
			}
			d.sane()
		}
		f.refusals(one)
	})
}

// refusals are what operators cannot do.
func (f *fleet) refusals(at *instance) {
	for path, want := range map[string]int{
		subscriptionPath("nobody", "a"): 404, subscriptionPath("here", "a/#/b"): 400, subscriptionPath("here", "a") + "?qos=3": 400,
		subscriptionPath("here", "a") + "?colour=red": 400, subscriptionPath("here", f.first+"/p2p/a%2Fway/#"): 403,
	} {
		operates(f.t, at, "PUT", path, want, nil)
	}
	operates(f.t, at, "DELETE", subscriptionPath("here", "never/was"), http.StatusOK, nil)
	f.prints("subscribe nobody a", 1, "neither a connection nor a session")
	f.prints("unsubscribe here a", 0, "here was not subscribed to a")
	f.prints("subscribe here", 2, "usage: lmqgate subscribe")
	if out, code := f.admin("subscribe", "--json", "here", strings.Repeat("x/", 200)); code != 1 {
		f.t.Errorf("%s", fmt.Sprint(code, out))
	}
}
