package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/parts"
)

// behindOne is an address behind which one instance at a time answers.
func behindOne(t *testing.T, paths map[string]http.Handler) (at string, to func(*instance)) {
	t.Helper()
	var target atomic.Pointer[url.URL]
	mux := http.NewServeMux()
	mux.Handle("/v1/", &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target.Load()) },
		FlushInterval: -1,
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }, // as a proxy that has gone, not a bad answer
	})
	for path, h := range paths {
		mux.Handle(path, h)
	}
	site := httptest.NewServer(mux)
	t.Cleanup(site.Close)
	return site.URL, func(i *instance) {
		u, err := url.Parse("http://" + i.http)
		must(t, err)
		target.Store(u)
	}
}

// TestEventSource: a browser that reads a stream gets every message once and in order although the instance behind it is
// killed twice.
func TestEventSource(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		saw := make(chan [2]string, 1000)
		at, to := behindOne(t, map[string]http.Handler{
			"/": http.FileServer(http.Dir("eventsource")),
			"/saw": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				var said [2]string
				if json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&said) == nil {
					saw <- said
				}
			}),
		})
		f := start(t, 3, b)
		d := connected(t, "publisher", packet.V5, f.instances[2].tcp)
		to(f.instances[0])
		browser := parts.Chromium(t, at+"/?"+url.Values{"filter": {f.topic("stream/#")}}.Encode())
		must(t, browser.Start())
		var got []string
		until := func(what string, done func(said [2]string) bool) {
			t.Helper()
			for deadline := time.After(2 * soon); ; {
				select {
				case said := <-saw:
					switch said[0] {
					case "message":
						got = append(got, said[1])
					case "gap":
						t.Errorf("a gap: %s", said[1])
					}
					if done(said) {
						return
					}
				case <-deadline:
					t.Fatalf("%s: the page has seen %v", what, got)
				}
			}
		}
		until("open", func(said [2]string) bool { return said[0] == "open" })
		var want []string
		publish := func(n int) {
			for range n {
				payload := fmt.Sprint(len(want))
				want = append(want, payload)
				d.publish(f.topic("stream/x"), 1, payload, nil)
			}
			d.flushed(soon)
		}
		publish(20)
		for n := range 2 {
			until("messages", func([2]string) bool { return len(got) >= len(want)-10 })
			to(f.instances[n+1])
			f.instances[n].kill()
			publish(20)
		}
		until("the rest", func([2]string) bool { return len(got) >= len(want) })
		if !slices.Equal(got, want) {
			t.Errorf("the page got %v", got)
		}
	})
}

// page is the answer of a long poll.
type page struct {
	Messages []struct{ ID, Topic, Payload string }
	Next     string
	Gap      bool
}

func poll(t *testing.T, at string, q url.Values) (p page) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*soon)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", at+"/v1/messages?"+q.Encode(), nil)
	must(t, err)
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%d: %s", resp.StatusCode, body)
	}
	must(t, json.Unmarshal(body, &p))
	return p
}

// TestLongPoll: page after page from whichever instance, of several filters that overlap, with an instance killed: each message
// once, in the order of its topic.
func TestLongPoll(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 3, b)
		d := connected(t, "publisher", packet.V5, f.instances[2].tcp)
		q := url.Values{"filter": {f.topic("poll/#"), f.topic("poll/+/x"), f.topic("poll/1/x")}, "max": {"7"}}
		p := poll(t, "http://"+f.instances[0].http, q)
		got := map[string][]string{}
		const each = 30
		for n := range each {
			for topic := range 3 {
				d.publish(f.topic("poll/%d/x", topic), byte(1+n%2), fmt.Sprint(n), nil)
			}
		}
		d.flushed(soon)
		count := 0
		for n := 0; count < 3*each; n++ {
			if n == 5 {
				f.instances[0].kill()
			}
			i := f.instances[n%3]
			if n >= 5 {
				i = f.instances[1+n%2]
			}
			q.Set("after", p.Next)
			q.Set("wait", "60")
			if p = poll(t, "http://"+i.http, q); p.Gap {
				t.Error("a gap")
			}
			for _, m := range p.Messages {
				got[m.Topic] = append(got[m.Topic], m.Payload)
				count++
			}
		}
		for topic := range 3 {
			if diff := difference(numbered("", each), got[f.topic("poll/%d/x", topic)]); diff != "" {
				t.Errorf("topic %d: %s", topic, diff)
			}
		}
	})
}
