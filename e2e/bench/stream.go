package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// streams measures the gateway's CPU for one message sent over one HTTP stream (Server-Sent Events), beside which stand the same
// fan-outs over MQTT, and the memory of a stream on which nothing happens.
func (b *bench) streams() error {
	for _, f := range []struct{ readers, rate int }{{200, 50}, {1000, 20}} {
		var cost, p99 series
		for range b.runs {
			c, l, err := b.streamsOnce(f.readers, f.rate)
			if err != nil {
				return err
			}
			cost, p99 = append(cost, c), append(p99, ms(percentile(l, 0.99)))
		}
		row(fmt.Sprintf("1 -> %d fan-out, Server-Sent Events, %d msg/s: CPU of the gateway per delivery, us", f.readers, f.rate), "%v", cost)
		row("the same, publish to event, p99 ms", "%v", p99)
	}
	var memory series
	for range max(1, b.runs/2) {
		m, err := b.idleStreams(idleStreams)
		if err != nil {
			return err
		}
		memory = append(memory, m)
	}
	row(fmt.Sprintf("%d idle streams: KiB resident each", idleStreams), "%v", memory)
	return nil
}

const idleStreams = 2000

// readers are open streams. stop closes them and returns when nobody reads any more.
type readers struct {
	client *http.Client
	open   []*http.Response
	work   sync.WaitGroup
}

func (r *readers) stop() {
	for _, resp := range r.open {
		_ = resp.Body.Close()
	}
	r.work.Wait()
	r.client.CloseIdleConnections()
}

// read opens n streams of a filter; got is called with every event's data, by many goroutines.
func read(addr, filter string, n int, got func(data []byte, at time.Time)) (*readers, error) {
	r := &readers{client: &http.Client{Transport: &http.Transport{DisableCompression: true}}}
	for range n {
		resp, err := r.client.Get("http://" + addr + "/v1/stream?" + url.Values{"filter": {filter}}.Encode())
		if err == nil && resp.StatusCode != http.StatusOK {
			_ = resp.Body.Close()
			err = fmt.Errorf("stream: %s", resp.Status)
		}
		if err != nil {
			r.stop()
			return nil, err
		}
		r.open = append(r.open, resp)
		r.work.Go(func() {
			lines := bufio.NewScanner(resp.Body)
			for lines.Scan() {
				if data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: ")); ok {
					got(data, time.Now())
				}
			}
		})
	}
	return r, nil
}

func (b *bench) streamsOnce(n, rate int) (float64, []time.Duration, error) {
	g, err := b.run(b.prefix())
	if err != nil {
		return 0, nil, err
	}
	defer g.kill()
	topic := b.topic()
	var count atomic.Int64
	var mu sync.Mutex // protects late
	var late []time.Duration
	r, err := read(g.http, topic, n, func(data []byte, at time.Time) {
		if count.Add(1)%7 != 0 { // a sample, so that the load does not measure itself
			return
		}
		var said struct{ Payload, Encoding string }
		if json.Unmarshal(data, &said) != nil {
			return
		}
		payload := []byte(said.Payload)
		if said.Encoding == "base64" {
			payload, _ = base64.StdEncoding.DecodeString(said.Payload)
		}
		mu.Lock()
		defer mu.Unlock()
		late = append(late, at.Sub(sentAt(payload)))
	})
	if err != nil {
		return 0, nil, err
	}
	defer r.stop()
	pub, err := dial(g.tcp, connectOptions{id: "pub"})
	if err != nil {
		return 0, nil, err
	}
	defer pub.conn.Close()
	go pub.read()
	list := []*pair{{pub: pub, topic: topic}}
	paced(list, rate, 2*time.Second)
	time.Sleep(300 * time.Millisecond)
	before, used := count.Load(), g.cpu()
	b.profile(g, fmt.Sprintf("streams%d", n), func() { paced(list, rate, b.seconds) })
	time.Sleep(500 * time.Millisecond)
	done := count.Load() - before
	if want := int64(b.seconds.Seconds()) * int64(rate*n); done < want*99/100 {
		return 0, nil, fmt.Errorf("%d of %d events", done, want)
	}
	mu.Lock()
	defer mu.Unlock()
	return float64((g.cpu() - used).Microseconds()) / float64(done), late, nil
}

// idleStreams is the memory of a stream on which nothing happens, KiB.
func (b *bench) idleStreams(n int) (float64, error) {
	g, err := b.run(b.prefix())
	if err != nil {
		return 0, err
	}
	defer g.kill()
	time.Sleep(2 * time.Second)
	before := g.resident()
	r, err := read(g.http, b.topic(), n, func([]byte, time.Time) {})
	if err != nil {
		return 0, err
	}
	defer r.stop()
	time.Sleep(5 * time.Second)
	return float64(g.resident()-before) / float64(n) / 1024, nil
}
