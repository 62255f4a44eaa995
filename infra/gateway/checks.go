package gateway

import (
	"context"

	"lmqgate/infra/doctor"
)

// Names of the checks.
const (
	redisCheck  = "redis"
	rocketCheck = "rocketmq"
)

// checks are what serving clients needs, in the order in which it is shown.
func (g *Gateway) checks() []check {
	return []check{
		{name: redisCheck, title: "Redis", ask: g.askRedis, explain: doctor.ExplainRedis},
		{name: rocketCheck, title: "RocketMQ", ask: g.askRocket, explain: doctor.ExplainRocketMQ},
	}
}

// askRedis fails too while the heartbeat does: that one is a write, which a full server or a replica refuses.
func (g *Gateway) askRedis(ctx context.Context) error {
	if err := g.store.Ping(ctx); err != nil {
		return err
	}
	return g.lease.trouble()
}

func (g *Gateway) askRocket(ctx context.Context) error { return g.rocket.Ready(ctx) }
