package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// http compares publishing over HTTP with QoS 1 over MQTT, in turns on one instance: from request to answer, and from PUBLISH to
// PUBACK, each with a subscriber; then how much both manage.
func (b *bench) http() error {
	var times [2][2]series // MQTT, HTTP; p50, p99
	var ratio series
	var rates [2]series
	for range b.runs {
		late, rate, err := b.httpOnce(20, 200)
		if err != nil {
			return err
		}
		for n := range late {
			times[n][0] = append(times[n][0], ms(percentile(late[n], 0.5)))
			times[n][1] = append(times[n][1], ms(percentile(late[n], 0.99)))
			rates[n] = append(rates[n], rate[n])
		}
		ratio = append(ratio, ms(percentile(late[1], 0.5))/ms(percentile(late[0], 0.5)))
	}
	row("20 publishers, 200 msg/s, HTTP and MQTT in turns: POST to answer, p50 ms", "%v", times[1][0])
	row("the same, p99 ms", "%v", times[1][1])
	row("PUBLISH QoS 1 to PUBACK, p50 ms", "%v", times[0][0])
	row("the same, p99 ms", "%v", times[0][1])
	row("HTTP to MQTT, p50", "%v", ratio)
	row("100 publishers, window 1, HTTP, msg/s", "%v", rates[1])
	row("the same over MQTT QoS 1, msg/s", "%v", rates[0])
	return nil
}

// ways are the two ways to publish one message and wait until it is stored.
func (p *pair) ways(c *http.Client, addr string) [2]func() error {
	id := uint16(0)
	return [2]func() error{
		func() error {
			id = id%60000 + 1
			return p.pub.published(p.topic, 1, id, false)
		},
		func() error {
			resp, err := c.Post("http://"+addr+"/v1/topics/"+p.topic, "application/octet-stream", strings.NewReader(strings.Repeat("\x00", 64)))
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				return err
			}
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("publish: %s", resp.Status)
			}
			return nil
		},
	}
}

func (b *bench) httpOnce(n, rate int) (late [2][]time.Duration, rates [2]float64, err error) {
	g, err := b.run(b.prefix())
	if err != nil {
		return late, rates, err
	}
	defer g.kill()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200, DisableCompression: true}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	list, stop, err := b.pairs(g.tcp, n, 0)
	defer stop()
	if err != nil {
		return late, rates, err
	}
	var mu sync.Mutex // protects late and err
	var work sync.WaitGroup
	warm, gap := time.Now().Add(2*time.Second), time.Second*time.Duration(n)/time.Duration(rate)
	for i, p := range list {
		work.Go(func() {
			ways := p.ways(client, g.http)
			next := time.Now().Add(gap * time.Duration(i) / time.Duration(n))
			for k := i; next.Before(warm.Add(2 * b.seconds)); k++ {
				time.Sleep(time.Until(next))
				next = next.Add(gap)
				at := time.Now()
				e := ways[k%2]()
				took := time.Since(at)
				mu.Lock()
				if e != nil {
					err = e
				} else if at.After(warm) {
					late[k%2] = append(late[k%2], took)
				}
				mu.Unlock()
				if e != nil {
					return
				}
			}
		})
	}
	work.Wait()
	if err != nil {
		return late, rates, err
	}
	many, stopMany, err := b.pairs(g.tcp, 100, 0)
	defer stopMany()
	for n := range rates {
		if err == nil {
			rates[n], err = b.flatOut(many, n, client, g.http)
		}
	}
	return late, rates, err
}

// flatOut publishes in one way as fast as answers come.
func (b *bench) flatOut(list []*pair, way int, client *http.Client, addr string) (float64, error) {
	var count atomic.Int64
	var work sync.WaitGroup
	failed := make(chan error, len(list))
	at := time.Now()
	for _, p := range list {
		work.Go(func() {
			publish := p.ways(client, addr)[way]
			for time.Since(at) < b.seconds {
				if err := publish(); err != nil {
					failed <- err
					return
				}
				count.Add(1)
			}
		})
	}
	work.Wait()
	if len(failed) > 0 {
		return 0, <-failed
	}
	return float64(count.Load()) / time.Since(at).Seconds(), nil
}
