package gateway

import (
	"context"
	"errors"
	"time"
)

const (
	warmUpTime = time.Second      // that Start waits for Redis and RocketMQ
	awayTime   = 10 * time.Second // without RocketMQ, until clients are refused
)

var errNoRocket = errors.New("this instance has no contact to RocketMQ, try again")

// warmUp gives the dependencies a moment: if they are there, no reason to refuse the first client.
func (g *Gateway) warmUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, warmUpTime)
	defer cancel()
	select {
	case <-g.lease.first:
	case <-ctx.Done():
	}
	g.monitor.wait(ctx, rocketCheck)
}

// available says why no client can be accepted now, nil if it can. Without Redis there is no lease and clients are refused by
// that. Without RocketMQ they are while it has never answered, and once it has been away for longer than a restart: a
// client that was let in could do nothing but wait, be closed and come back, each time with another will.
func (g *Gateway) available() error {
	if away, never := g.monitor.away(rocketCheck); never || away > awayTime {
		return errNoRocket
	}
	return nil
}
