package gateway

import (
	"context"
	"os"
	"time"

	"lmqgate/infra/doctor"
)

// examineTime bounds the look at the servers after the start.
const examineTime = 15 * time.Second

// examine tells the log once, when Redis and RocketMQ have answered for the first time, what is wrong with them although they
// answer: what would lose sessions or messages sooner or later. It writes nothing there.
func (g *Gateway) examine(ctx context.Context) {
	if g.cfg.EmbeddedRedis && g.cfg.EmbeddedRocketMQ {
		return
	}
	g.monitor.wait(ctx, redisCheck)
	g.monitor.wait(ctx, rocketCheck)
	bounded, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	for _, f := range doctor.Servers(bounded, g.cfg, g.log) {
		if ctx.Err() == nil {
			g.tellFinding(f)
		}
	}
}

// examineEnvironment says what is unsafe together; embedded mode says itself what it is not for.
func (g *Gateway) examineEnvironment() {
	if g.cfg.EmbeddedRedis && g.cfg.EmbeddedRocketMQ {
		return
	}
	for _, f := range doctor.Combinations(g.cfg, os.Environ()) {
		g.tellFinding(f)
	}
}

func (g *Gateway) tellFinding(f doctor.Finding) {
	if f.Grade != doctor.OK {
		g.log.Warn("lmqgate doctor: "+f.Text, "check", f.Check, "of", f.Of, "grade", f.Grade.String(), "remedy", f.Remedy)
	}
}
