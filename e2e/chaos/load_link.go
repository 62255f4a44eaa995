package chaos

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"lmqgate/adapter/packet"
)

// Times of clients, generous since a paused instance answers late.
const (
	dialTime   = 10 * time.Second
	helloTime  = 20 * time.Second
	byeTime    = 20 * time.Second
	answerTime = 90 * time.Second
)

// link is one MQTT connection of a client. It writes from a queue, so that a client that reads is never held up by what it
// has to write.
type link struct {
	net.Conn
	v packet.Version
	n int // in the history

	mu      sync.Mutex // protects what follows
	cut     bool       // by this side
	out     []byte
	writing bool
}

// dialLink connects to "ws://..." by WebSocket, to anything else by TCP.
func dialLink(addr string, v packet.Version, n int) (*link, error) {
	ctx, cancel := context.WithTimeout(context.Background(), dialTime)
	defer cancel()
	if !strings.HasPrefix(addr, "ws://") {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return &link{Conn: c, v: v, n: n}, nil
	}
	c, _, err := websocket.Dial(ctx, addr, &websocket.DialOptions{Subprotocols: []string{"mqtt"}})
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(1 << 20)
	return &link{Conn: websocket.NetConn(context.Background(), c, websocket.MessageBinary), v: v, n: n}, nil
}

// send queues a packet.
func (l *link) send(p packet.Packet) {
	b, err := p.Append(nil, l.v)
	if err != nil {
		panic(fmt.Sprintf("encode %v: %v", p.Type(), err)) // a mistake of the load
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out = append(l.out, b...)
	if !l.writing {
		l.writing = true
		go l.write()
	}
}

// write empties the queue and ends; what comes after a failure is dropped.
func (l *link) write() {
	for {
		l.mu.Lock()
		b := l.out
		l.out = nil
		if len(b) == 0 {
			l.writing = false
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
		if _, err := l.Write(b); err != nil {
			_ = l.Close()
			return
		}
	}
}

// abort breaks the connection from this side.
func (l *link) abort() {
	l.mu.Lock()
	l.cut = true
	l.mu.Unlock()
	_ = l.Close()
}
