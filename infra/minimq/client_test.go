package minimq_test

import (
	"bufio"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// client is a bare connection: requests are matched to responses by opaque.
type client struct {
	t  testing.TB
	nc net.Conn

	mu      sync.Mutex // protects all below
	opaque  int32
	waiting map[int32]chan *remoting.Command
	pushed  chan *remoting.Command // requests of the server
	err     error
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	c := &client{t: t, nc: nc, waiting: map[int32]chan *remoting.Command{}, pushed: make(chan *remoting.Command, 16)}
	go c.read()
	t.Cleanup(func() { nc.Close() })
	return c
}

func (c *client) read() {
	br := bufio.NewReader(c.nc)
	for {
		frame, err := remoting.ReadFrame(br, remoting.MaxFrame)
		if err == nil {
			var cmd *remoting.Command
			if cmd, err = remoting.Decode(frame); err == nil {
				c.take(cmd)
				continue
			}
		}
		c.mu.Lock()
		c.err = err
		for _, ch := range c.waiting {
			close(ch)
		}
		c.waiting = nil
		close(c.pushed)
		c.mu.Unlock()
		return
	}
}

func (c *client) take(cmd *remoting.Command) {
	if !cmd.IsResponse() {
		select {
		case c.pushed <- cmd:
		default:
		}
		return
	}
	c.mu.Lock()
	ch := c.waiting[cmd.Opaque]
	delete(c.waiting, cmd.Opaque)
	c.mu.Unlock()
	if ch != nil {
		ch <- cmd
	}
}

// start sends a request and returns where its response will come; the channel is
// closed if the connection ends first.
func (c *client) start(req *remoting.Command) <-chan *remoting.Command {
	c.t.Helper()
	ch := make(chan *remoting.Command, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waiting == nil {
		close(ch)
		return ch
	}
	c.opaque++
	req.Opaque = c.opaque
	c.waiting[req.Opaque] = ch
	frame, err := req.Append(nil)
	if err != nil {
		c.t.Fatalf("encode request: %v", err)
	}
	if _, err := c.nc.Write(frame); err != nil {
		delete(c.waiting, req.Opaque)
		close(ch)
	}
	return ch
}

// call waits for the response, for a minute at most.
func (c *client) call(code int32, ext map[string]string, body []byte) *remoting.Command {
	c.t.Helper()
	return c.wait(c.start(remoting.NewRequest(code, ext, body)))
}

func (c *client) wait(ch <-chan *remoting.Command) *remoting.Command {
	c.t.Helper()
	select {
	case resp, open := <-ch:
		if !open {
			c.t.Fatalf("connection closed before the response: %v", c.err)
		}
		return resp
	case <-time.After(time.Minute):
		c.t.Fatalf("no response within a minute")
	}
	return nil
}

func properties(kv ...string) string {
	var out []byte
	for i := 0; i+1 < len(kv); i += 2 {
		out = remoting.AppendProperty(out, kv[i], kv[i+1])
	}
	return string(out)
}

func sendV2(topic string, queue int, body, props string) *remoting.Command {
	return remoting.NewRequest(remoting.SendMessageV2, map[string]string{
		"a": "PG", "b": topic, "c": "TBW102", "d": "8", "e": strconv.Itoa(queue), "f": "0",
		"g": "1700000000000", "h": "0", "i": props, "j": "0", "k": "false", "m": "false",
	}, []byte(body))
}

// pullReq makes a pull that is held for suspendMs; 0: not held.
func pullReq(topic string, offset int64, n int, suspendMs int64) *remoting.Command {
	sysFlag := "6"
	if suspendMs == 0 {
		sysFlag = "4"
	}
	return remoting.NewRequest(remoting.PullMessage, map[string]string{
		"consumerGroup": "%LMQ%g", "topic": topic, "queueId": "0", "queueOffset": strconv.FormatInt(offset, 10),
		"maxMsgNums": strconv.Itoa(n), "sysFlag": sysFlag, "commitOffset": "0",
		"suspendTimeoutMillis": strconv.FormatInt(suspendMs, 10), "subscription": "*", "subVersion": "0", "expressionType": "TAG",
	}, nil)
}
