package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// nameServerTimeout bounds one try at one name server.
const nameServerTimeout = 3 * time.Second

// nameServers calls any of several name servers over kept connections.
type nameServers struct {
	addrs []string
	dial  remoting.DialConfig

	mu     sync.Mutex // protects the fields below
	conns  map[string]*remoting.Conn
	good   int // index of the last that answered
	closed bool
}

func newNameServers(addrs []string, dial remoting.DialConfig) *nameServers {
	return &nameServers{addrs: addrs, dial: dial, conns: make(map[string]*remoting.Conn)}
}

// do asks one name server after the other, the last good one first, until one
// answers; the answer's code is the caller's business.
func (n *nameServers) do(ctx context.Context, cmd *remoting.Command) (*remoting.Command, error) {
	n.mu.Lock()
	first := n.good
	n.mu.Unlock()
	var errs []error
	for i := range n.addrs {
		at := (first + i) % len(n.addrs)
		answer, err := n.try(ctx, n.addrs[at], cmd)
		if err == nil {
			n.mu.Lock()
			n.good = at
			n.mu.Unlock()
			return answer, nil
		}
		errs = append(errs, fmt.Errorf("name server %s: %w", n.addrs[at], err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// all asks every name server and returns what is wrong with any.
func (n *nameServers) all(ctx context.Context, cmd *remoting.Command) error {
	var errs []error
	for _, addr := range n.addrs {
		answer, err := n.try(ctx, addr, cmd)
		if err == nil && answer.Code != remoting.Success {
			err = answerError(answer)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("name server %s: %w", addr, err))
		}
	}
	return errors.Join(errs...)
}

func (n *nameServers) try(ctx context.Context, addr string, cmd *remoting.Command) (*remoting.Command, error) {
	ctx, cancel := context.WithTimeout(ctx, nameServerTimeout)
	defer cancel()
	conn, err := n.conn(ctx, addr)
	if err != nil {
		return nil, err
	}
	answer, err := conn.Do(ctx, cmd)
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, remoting.ErrTimeout) {
		conn.Close() // it may be half open
	}
	return answer, err
}

func (n *nameServers) conn(ctx context.Context, addr string) (*remoting.Conn, error) {
	if conn := n.live(addr); conn != nil {
		return conn, nil
	}
	fresh, err := remoting.Dial(ctx, addr, n.dial)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		fresh.Close()
		return nil, ErrStopped
	}
	if other := n.conns[addr]; other != nil && other.Err() == nil {
		fresh.Close()
		return other, nil
	}
	n.conns[addr] = fresh
	return fresh, nil
}

func (n *nameServers) live(addr string) *remoting.Conn {
	n.mu.Lock()
	defer n.mu.Unlock()
	if conn := n.conns[addr]; conn != nil && conn.Err() == nil {
		return conn
	}
	return nil
}

// close closes the connections and waits for their goroutines.
func (n *nameServers) close() {
	n.mu.Lock()
	n.closed = true
	conns := n.conns
	n.conns = nil
	n.mu.Unlock()
	for _, conn := range conns {
		conn.Close()
		<-conn.Done()
	}
}
