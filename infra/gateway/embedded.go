package gateway

import (
	"fmt"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/infra/minimq"
)

// embedded are the servers that run in this process when nothing else is configured.
type embedded struct {
	redis *miniredis.Miniredis
	mq    *minimq.Server
}

func (e *embedded) start(g *Gateway) error {
	if g.cfg.EmbeddedRedis {
		e.redis = miniredis.NewMiniRedis()
		e.redis.ClockTTL(true) // keys expire with time, as in Redis
		if err := e.redis.StartAddr("127.0.0.1:0"); err != nil {
			return fmt.Errorf("start embedded redis: %w", err)
		}
	}
	if g.cfg.EmbeddedRocketMQ {
		e.mq = minimq.New(minimq.Config{Logger: g.log})
		if err := e.mq.Start(); err != nil {
			return fmt.Errorf("start embedded rocketmq: %w", err)
		}
	}
	return nil
}

func (e *embedded) stop() {
	if e.mq != nil {
		_ = e.mq.Close()
	}
	if e.redis != nil {
		e.redis.Close()
	}
}
