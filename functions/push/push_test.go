package push

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"lmqgate/functions/openapi/openapitest"
	"lmqgate/functions/outgoing"
	"lmqgate/functions/web"
	"lmqgate/meta/message"
	"lmqgate/meta/push"
)

// receiver is the other end: a Client without a network.
type receiver struct {
	mu     sync.Mutex // protects the fields below
	got    []string   // "topic payload" in the order of arrival
	at     []time.Time
	heads  []http.Header
	answer func(n int, r *http.Request, body string) (status int, header http.Header)
	under  int // requests under way
	most   int
}

func (c *receiver) Check(url string) error { return outgoing.New(outgoing.Allow{}).Check(url) }

func (c *receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
	}
	c.mu.Lock()
	c.under++
	c.most = max(c.most, c.under)
	c.got, c.at, c.heads = append(c.got, r.Header.Get("Ce-Subject")+" "+string(body)), append(c.at, time.Now()), append(c.heads, r.Header)
	n := len(c.got)
	answer := c.answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.under--
	}()
	w := httptest.NewRecorder()
	status := http.StatusOK
	if answer != nil {
		var h http.Header
		status, h = answer(n, r, string(body))
		for name, values := range h {
			w.Header()[name] = values
		}
	}
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	if status == 0 {
		return nil, errors.New("connection refused")
	}
	w.WriteHeader(status)
	return w.Result(), nil
}

func (c *receiver) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// peak is the most requests that were under way at once.
func (c *receiver) peak() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most
}

// answers says how requests are answered from now on.
func (c *receiver) answers(fn func(n int, r *http.Request, body string) (status int, header http.Header)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answer = fn
}

// rig is a service on fakes; instances share store and broker.
type rig struct {
	t      *testing.T
	store  *memory
	broker *broker
	to     *receiver
}

func newRig(t *testing.T) *rig { return &rig{t, newMemory(), newBroker(), &receiver{}} }

func (g *rig) service(name string, change ...func(*Config)) *Service {
	cfg := Config{Store: g.store, Reader: g.broker, Lanes: g.broker, Client: g.to, Instance: name}
	for _, c := range change {
		c(&cfg)
	}
	return New(cfg)
}

func (g *rig) start(name string, change ...func(*Config)) *Service {
	s := g.service(name, change...)
	s.Start()
	return s
}

// call makes a request as an operator.
func call(t testing.TB, s *Service, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	h := s.Handler(web.NewOperator(web.OperatorConfig{Token: "token"}))
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer token")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	openapitest.Watch(t, h).ServeHTTP(w, r)
	return w
}

func (g *rig) put(s *Service, name, rest string) {
	g.t.Helper()
	if w := call(g.t, s, "PUT", "/v1/push/"+name, `{"url":"https://example.com/hook"`+rest+`}`); w.Code/100 != 2 {
		g.t.Fatalf("%d %s", w.Code, w.Body)
	}
}

func (g *rig) want(want ...string) {
	g.t.Helper()
	if got := g.to.all(); !slices.Equal(got, want) {
		g.t.Errorf("got %q, want %q", got, want)
	}
}

func (g *rig) state(name string) push.State {
	g.t.Helper()
	_, st, err := g.store.Get(g.t.Context(), name)
	if err != nil {
		g.t.Fatal(err)
	}
	return st
}

// bubble runs a test on fake time; its services are to be stopped in it.
func bubble(t *testing.T, fn func(t *testing.T, g *rig)) {
	synctest.Test(t, func(t *testing.T) { fn(t, newRig(t)) })
}

// TestDelivers: what is published once PUT was answered is delivered, each topic in order, and acknowledged.
func TestDelivers(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := g.start("one")
		defer s.Stop(t.Context())
		g.broker.say("a/0", "too early")
		g.put(s, "x", `,"filters":["a/+","b"]`)
		for i := range 3 {
			g.broker.say("a/1", strconv.Itoa(i))
		}
		g.broker.say("c", "not asked for")
		time.Sleep(time.Second)
		g.want("a/1 0", "a/1 1", "a/1 2")
		if n := g.broker.left("x"); n != 0 {
			t.Errorf("%d messages are not acknowledged", n)
		}
		time.Sleep(lookEvery)
		if st := g.state("x"); st.Delivered != 3 || st.Instance != "one" || st.LastStatus != 200 {
			t.Errorf("%+v", st)
		}
	})
}

// TestRetries: what fails is tried again with growing pauses, and holds up what is behind it in its topic, but no other topic.
func TestRetries(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := g.start("one")
		defer s.Stop(t.Context())
		g.put(s, "x", `,"filters":["#"],"min_backoff":"1s","max_backoff":"4s","concurrency":64`)
		g.to.answers(func(n int, r *http.Request, body string) (int, http.Header) {
			if body == "bad" && n < 8 {
				return []int{500, 0, 302, 404}[n%4], nil
			}
			return 204, nil
		})
		g.broker.say("a", "bad")
		g.broker.say("a", "behind")
		g.broker.say("b", "other")
		time.Sleep(time.Minute)
		got := g.to.all()
		if i, j := slices.Index(got, "a behind"), slices.Index(got, "b other"); i < len(got)-1 || j < 0 || j > 2 {
			t.Errorf("%q", got)
		}
		var tries []time.Time
		for i, one := range got {
			if one == "a bad" {
				tries = append(tries, g.to.at[i])
			}
		}
		if len(tries) < 6 {
			t.Fatalf("%d attempts", len(tries))
		}
		for i := 1; i < len(tries); i++ {
			most := min(time.Second<<(i-1), 4*time.Second)
			if gap := tries[i].Sub(tries[i-1]); gap < most/2 || gap > most+time.Millisecond {
				t.Errorf("pause %d is %v, want from %v to %v", i, gap, most/2, most)
			}
		}
	})
}

// TestConcurrency: no more requests at once than the target allows, and no more messages taken from the log than twice that.
func TestConcurrency(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := g.start("one")
		defer s.Stop(t.Context())
		g.put(s, "x", `,"filters":["#"],"concurrency":3`)
		hold := make(chan struct{})
		g.to.answers(func(int, *http.Request, string) (int, http.Header) { <-hold; return 200, nil })
		for i := range 100 {
			g.broker.say(fmt.Sprint("t", i), "x")
		}
		time.Sleep(time.Second)
		if under, _ := s.waiting(); g.to.peak() > 3 || g.to.peak() == 0 || under > 6 {
			t.Errorf("%d requests at once, %d messages in hand", g.to.peak(), under)
		}
		close(hold)
		time.Sleep(time.Minute)
		if n := g.broker.left("x"); n != 0 || g.to.peak() > 3 {
			t.Errorf("%d left, %d at once", n, g.to.peak())
		}
	})
}

// TestGone: 410 ends it, on every instance and over a restart, until the target is written anew; nothing is lost.
func TestGone(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := g.start("one")
		g.put(s, "x", `,"filters":["#"],"concurrency":1`)
		gone := true
		g.to.answers(func(int, *http.Request, string) (int, http.Header) {
			if gone {
				return 410, nil
			}
			return 200, nil
		})
		g.broker.say("a", "1")
		g.broker.say("a", "2")
		time.Sleep(time.Minute)
		g.want("a 1")
		if st := g.state("x"); !strings.Contains(st.Stopped, "410") {
			t.Errorf("%+v", st)
		}
		if w := call(t, s, "GET", "/v1/push/x", ""); !strings.Contains(w.Body.String(), `"stopped":"answered 410`) {
			t.Errorf("%s", w.Body)
		}
		s.Stop(t.Context())
		s = g.start("two")
		defer s.Stop(t.Context())
		time.Sleep(time.Minute)
		g.want("a 1")
		gone = false
		g.put(s, "x", `,"filters":["#"],"concurrency":1`)
		time.Sleep(time.Minute)
		g.want("a 1", "a 1", "a 2")
		if st := g.state("x"); st.Stopped != "" {
			t.Errorf("%+v", st)
		}
	})
}

// TestRetryAfter pauses the whole target, in either form of the header.
func TestRetryAfter(t *testing.T) {
	for _, form := range []func() string{
		func() string { return "90" },
		func() string { return time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat) },
	} {
		bubble(t, func(t *testing.T, g *rig) {
			s := g.start("one")
			defer s.Stop(t.Context())
			g.put(s, "x", `,"filters":["#"],"max_backoff":"1s"`)
			g.to.answers(func(n int, _ *http.Request, _ string) (int, http.Header) {
				if n == 1 {
					return 429, http.Header{"Retry-After": {form()}}
				}
				return 200, nil
			})
			g.broker.say("a", "1")
			time.Sleep(time.Second)
			g.broker.say("b", "2")
			time.Sleep(80 * time.Second)
			g.want("a 1")
			time.Sleep(time.Minute)
			if got := g.to.all(); len(got) != 3 {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestDeadLetter: after its attempts or its age a message goes to the dead-letter topic with the reason, and those behind it
// are delivered.
func TestDeadLetter(t *testing.T) {
	for _, until := range []string{`"max_attempts":3`, `"max_age":"5s","max_attempts":0`} {
		bubble(t, func(t *testing.T, g *rig) {
			s := g.start("one")
			defer s.Stop(t.Context())
			g.put(s, "x", `,"filters":["a/#"],"dead_letter":"dead/x",`+until)
			g.to.answers(func(_ int, _ *http.Request, body string) (int, http.Header) {
				if body == "poison" {
					return 500, nil
				}
				return 200, nil
			})
			g.broker.say("a/1", "poison", func(m *message.Message) {
				m.Properties.User = []message.UserProperty{{Key: "k", Value: "v"}}
				m.Properties.ContentType = "text/x"
			})
			g.broker.say("a/1", "fine")
			time.Sleep(time.Minute)
			got := g.to.all()
			if len(got) < 4 || got[len(got)-1] != "a/1 fine" || g.broker.left("x") != 0 {
				t.Errorf("%q, %d left", got, g.broker.left("x"))
			}
			var dead []*message.Message
			for _, m := range g.broker.published {
				if m.Topic == "dead/x" {
					dead = append(dead, m)
				}
			}
			if len(dead) != 1 || string(dead[0].Payload) != "poison" || dead[0].Properties.ContentType != "text/x" {
				t.Fatalf("%+v", dead)
			}
			said := fmt.Sprint(dead[0].Properties.User)
			for _, want := range []string{"{push-target x}", "{push-topic a/1}", "{push-id K1}", "{push-status 500}", "{push-reason answered 500", "{k v}"} {
				if !strings.Contains(said, want) {
					t.Errorf("%s is not in %s", want, said)
				}
			}
			time.Sleep(lookEvery)
			if st := g.state("x"); st.Dead != 1 || st.Delivered != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestOneAtATime: of several instances one delivers; when it dies, without a word, another goes on where it was.
func TestOneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		one, two := g.start("one"), g.start("two")
		defer two.Stop(t.Context())
		g.put(one, "x", `,"filters":["#"],"concurrency":1`)
		time.Sleep(2 * lookEvery)
		for i := range 5 {
			g.broker.say("a", strconv.Itoa(i))
		}
		time.Sleep(time.Second)
		g.want("a 0", "a 1", "a 2", "a 3", "a 4")
		owner := g.state("x").Instance
		first, second := one, two
		if owner == "two" {
			first, second = two, one
		}
		first.abort() // as if killed: nothing is given up or told
		g.broker.mu.Lock()
		g.broker.sessions[SessionPrefix+"x"].owner.why = errors.New("killed")
		g.broker.mu.Unlock()
		killed, stop := context.WithCancel(t.Context())
		stop()
		first.cfg.Store = &memory{down: errors.New("killed")}
		first.Stop(killed)
		g.broker.say("a", "5")
		time.Sleep(leaseTime + 2*lookEvery)
		g.want("a 0", "a 1", "a 2", "a 3", "a 4", "a 5")
		if now := g.state("x").Instance; now != second.cfg.Instance {
			t.Errorf("%s works it now", now)
		}
		one.Stop(t.Context())
	})
}

// TestStop: an attempt under way may end, and its message is not delivered twice; the next instance needs not wait for the lease.
func TestStop(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		one := g.start("one")
		g.put(one, "x", `,"filters":["#"],"concurrency":1`)
		g.to.answers(func(int, *http.Request, string) (int, http.Header) { time.Sleep(2 * time.Second); return 200, nil })
		g.broker.say("a", "1")
		g.broker.say("a", "2")
		time.Sleep(time.Second)
		one.Stop(t.Context())
		two := g.start("two")
		defer two.Stop(t.Context())
		time.Sleep(4 * time.Second)
		g.want("a 1", "a 2")
	})
}

// TestStopInAHurry does not wait for a receiver that does not answer.
func TestStopInAHurry(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := g.start("one")
		g.put(s, "x", `,"filters":["#"]`)
		g.to.answers(func(_ int, r *http.Request, _ string) (int, http.Header) { <-r.Context().Done(); return 0, nil })
		g.broker.say("a", "1")
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		s.Stop(ctx)
		if took := time.Since(began); took > 4*time.Second || g.broker.left("x") != 1 {
			t.Errorf("took %v, %d left", took, g.broker.left("x"))
		}
	})
}

// TestChange: what is written of a target counts at once, on whatever instance it is worked.
func TestChange(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		one, two := g.start("one"), g.start("two")
		defer one.Stop(t.Context())
		defer two.Stop(t.Context())
		g.put(one, "x", `,"filters":["a"]`)
		for i := range 6 {
			on := []*Service{one, two}[i%2]
			name := fmt.Sprint("b", i)
			g.put(on, "x", `,"filters":["`+name+`"]`)
			g.broker.say("a", "not any more")
			g.broker.say(name, "x")
			time.Sleep(time.Second)
		}
		g.want("b0 x", "b1 x", "b2 x", "b3 x", "b4 x", "b5 x")
	})
}

// TestDelete ends the session, also when nobody could at the time.
func TestDelete(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := g.start("one")
		defer s.Stop(t.Context())
		g.put(s, "x", `,"filters":["a"]`)
		time.Sleep(time.Second)
		if w := call(t, s, "DELETE", "/v1/push/x", ""); w.Code != 204 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		if w := call(t, s, "GET", "/v1/push/x", ""); w.Code != 404 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		time.Sleep(2 * lookEvery)
		if n := g.broker.left("x"); n != -1 {
			t.Error("the session is still there")
		}
		g.put(s, "y", `,"filters":["a"]`)
		time.Sleep(lookEvery)
		g.broker.mu.Lock()
		g.broker.refuse = func(*message.ReadRequest) error { return message.ErrUnavailable }
		g.broker.mu.Unlock()
		if w := call(t, s, "DELETE", "/v1/push/y", ""); w.Code != 204 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		time.Sleep(time.Minute)
		g.broker.mu.Lock()
		g.broker.refuse = nil
		g.broker.mu.Unlock()
		time.Sleep(time.Minute)
		if list, _, err := g.store.List(t.Context(), -1); len(list) != 0 || err != nil || g.broker.left("y") != -1 {
			t.Errorf("%+v, %v, %d", list, err, g.broker.left("y"))
		}
	})
}

// TestStoreAway: while the store does not answer nothing is lost, and all goes on by itself.
func TestStoreAway(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := g.start("one")
		defer s.Stop(t.Context())
		g.put(s, "x", `,"filters":["#"]`)
		time.Sleep(time.Second)
		g.store.mu.Lock()
		g.store.down = errors.New("away")
		g.store.mu.Unlock()
		g.broker.say("a", "1")
		time.Sleep(time.Minute)
		g.broker.say("a", "2")
		time.Sleep(time.Minute)
		if len(s.jobs) != 0 {
			t.Error("the target is worked although the lease is over")
		}
		g.store.mu.Lock()
		g.store.down = nil
		g.store.mu.Unlock()
		time.Sleep(time.Minute)
		g.want("a 1", "a 2")
		if st := g.state("x"); st.Delivered != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// TestSettle: an instance that is started for it delivers what has waited, and says what it could not.
func TestSettle(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		s := g.start("one")
		g.put(s, "x", `,"filters":["#"],"concurrency":2`)
		s.Stop(t.Context())
		for i := range 50 {
			g.broker.say(fmt.Sprint("t", i%5), strconv.Itoa(i))
		}
		g.to.answers(func(int, *http.Request, string) (int, http.Header) {
			time.Sleep(100 * time.Millisecond)
			return 200, nil
		})
		s = g.start("two")
		defer s.Stop(t.Context())
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if did, waiting := s.Settle(ctx); did != 50 || waiting != 0 || ctx.Err() != nil {
			t.Errorf("%d delivered, %d waiting, %v", did, waiting, ctx.Err())
		}
		g.to.answers(func(int, *http.Request, string) (int, http.Header) { return 500, nil })
		g.broker.say("t", "bad")
		if did, waiting := s.Settle(ctx); did != 0 || waiting != 1 {
			t.Errorf("%d delivered, %d waiting", did, waiting)
		}
	})
}

// TestEventsTarget: the target of the environment is made, kept from callers, and taken away with the variable.
func TestEventsTarget(t *testing.T) {
	bubble(t, func(t *testing.T, g *rig) {
		spec := Spec{Filters: []string{"e/#"}, URL: "https://example.com/events"}
		events, err := spec.Target(EventsTarget, &push.Target{}, g.to.Check)
		if err != nil {
			t.Fatal(err)
		}
		with := func(c *Config) { c.Events = &events }
		one := g.start("one", with)
		two := g.start("two", with)
		time.Sleep(2 * lookEvery)
		g.broker.say("e/1", "x")
		time.Sleep(time.Second)
		g.want("e/1 x")
		rev := g.store.rev
		for _, method := range []string{"PUT", "DELETE"} {
			if w := call(t, one, method, "/v1/push/events", `{"url":"https://example.com","filters":["a"]}`); w.Code != 403 {
				t.Errorf("%s: %d %s", method, w.Code, w.Body)
			}
		}
		one.Stop(t.Context())
		two.Stop(t.Context())
		if g.store.rev != rev || rev != 1 {
			t.Errorf("written %d times", rev)
		}
		g.to.answers(func(int, *http.Request, string) (int, http.Header) { return 410, nil })
		three := g.start("three", with)
		g.broker.say("e/1", "y")
		time.Sleep(time.Minute)
		if st := g.state(EventsTarget); st.Stopped != "" || len(g.to.all()) < 3 {
			t.Errorf("410 ended the events: %+v", st)
		}
		three.Stop(t.Context())
		without := g.start("four")
		defer without.Stop(t.Context())
		time.Sleep(time.Minute)
		if list, _, _ := g.store.List(t.Context(), -1); len(list) != 0 || g.broker.left(EventsTarget) != -1 {
			t.Errorf("%+v", list)
		}
	})
}

// TestSignatures: the public library of Standard Webhooks accepts each of two keys, and nothing that was changed.
func TestSignatures(t *testing.T) {
	one, two := "whsec_"+base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef")), "whsec_"+base64.StdEncoding.EncodeToString([]byte("another key of enough bytes"))
	keys := [][]byte{}
	for _, text := range []string{one, two} {
		key, err := decodeSecret(text)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	body := []byte(`{"a":"ü"}`)
	h := make(http.Header)
	sign(h, keys, "K1", time.Now(), body)
	for _, text := range []string{one, two} {
		wh, err := webhooks.NewWebhook(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := wh.Verify(body, h); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if wh.Verify([]byte(`{"a":"u"}`), h) == nil {
			t.Error("a changed body is accepted")
		}
		old := make(http.Header)
		sign(old, keys, "K1", time.Now().Add(-time.Hour), body)
		if wh.Verify(body, old) == nil {
			t.Error("a replay after an hour is accepted")
		}
	}
	other, err := webhooks.NewWebhook("whsec_" + base64.StdEncoding.EncodeToString([]byte("not the key of these messages")))
	if err != nil {
		t.Fatal(err)
	}
	if other.Verify(body, h) == nil {
		t.Error("another key is accepted")
	}
}
