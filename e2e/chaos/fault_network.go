package chaos

import (
	"context"
	"math/rand/v2"
	"time"

	"lmqgate/e2e/parts"
)

func networkFaults() []Fault {
	redis, mq := Needs{Instances: 2, Proxies: true}, Needs{Instances: 2}
	return []Fault{
		{Name: "cut from redis", Needs: redis, Run: onWay(redisWay, cut(time.Second, 5*time.Second))},
		{Name: "cut from redis beyond the lease", Needs: redis, Slow: true, Run: onWay(redisWay, cut(16*time.Second, 20*time.Second))},
		{Name: "slow to redis", Needs: redis, Run: onWay(redisWay, slow)},
		{Name: "reset to redis", Needs: redis, Run: onWay(redisWay, reset)},
		{Name: "cut from broker", Needs: mq, Reroutes: true, Run: onWay(brokerWay, cut(time.Second, 5*time.Second))},
		{Name: "slow to broker", Needs: mq, Reroutes: true, Run: onWay(brokerWay, slow)},
		{Name: "reset to broker", Needs: mq, Reroutes: true, Run: onWay(brokerWay, reset)},
		{Name: "cut from name server", Needs: mq, Run: onWay(nameWay, cut(time.Second, 5*time.Second))},
		{Name: "name server gone", Needs: mq, Run: nameServerGone},
	}
}

type way func(*World, *rand.Rand) (string, *parts.ProxyServer)

func redisWay(w *World, r *rand.Rand) (string, *parts.ProxyServer) {
	return "redis", w.RedisWays[r.IntN(len(w.RedisWays))]
}

func brokerWay(w *World, r *rand.Rand) (string, *parts.ProxyServer) {
	return "broker", w.MQWays[r.IntN(len(w.MQWays))]
}

func nameWay(w *World, r *rand.Rand) (string, *parts.ProxyServer) {
	return "name server", w.NameWays[r.IntN(len(w.NameWays))]
}

// onWay does something to one network connection and waits until all is well.
func onWay(choose way, do func(context.Context, *World, *rand.Rand, string, *parts.ProxyServer)) func(context.Context, *World, *rand.Rand) error {
	return func(ctx context.Context, w *World, r *rand.Rand) error {
		name, p := choose(w, r)
		do(ctx, w, r, name, p)
		return w.mended(ctx)
	}
}

// cut drops all bytes for a while; nobody is told.
func cut(least, most time.Duration) func(context.Context, *World, *rand.Rand, string, *parts.ProxyServer) {
	return func(ctx context.Context, w *World, r *rand.Rand, name string, p *parts.ProxyServer) {
		d := between(r, least, most)
		w.event("cut", "way to the %s for %v", name, d)
		p.Cut()
		rest(ctx, d)
		p.Mend()
		w.event("mend", "way to the %s", name)
	}
}

// slow holds all bytes back for some time.
func slow(ctx context.Context, w *World, r *rand.Rand, name string, p *parts.ProxyServer) {
	d := between(r, 20*time.Millisecond, 150*time.Millisecond)
	w.event("delay", "way to the %s by %v", name, d)
	p.Delay(d, d)
	rest(ctx, between(r, time.Second, 3*time.Second))
	p.Delay(0, 0)
	w.event("mend", "way to the %s", name)
}

// reset breaks connections several times in a row.
func reset(ctx context.Context, w *World, r *rand.Rand, name string, p *parts.ProxyServer) {
	for range 1 + r.IntN(5) {
		w.event("reset", "way to the %s", name)
		p.Reset()
		rest(ctx, between(r, 0, 500*time.Millisecond))
	}
}

// nameServerGone refuses all connections to the name server; brokers stay.
func nameServerGone(ctx context.Context, w *World, r *rand.Rand) error {
	w.event("refuse", "name server")
	for _, p := range w.NameWays {
		p.Refuse()
	}
	rest(ctx, between(r, time.Second, 4*time.Second))
	for _, p := range w.NameWays {
		p.Mend()
	}
	w.event("mend", "name server")
	return w.mended(ctx)
}
