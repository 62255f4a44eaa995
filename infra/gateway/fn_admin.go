package gateway

import (
	"context"
	"net/http"

	"lmqgate/adapter/rocketmq"
	"lmqgate/functions/admin"
	"lmqgate/functions/web"
	"lmqgate/meta/topic"
)

// openAdmin makes what operators ask over HTTP.
func (g *Gateway) openAdmin() http.Handler {
	a := admin.New(admin.Config{
		Sessions: g.store, Filters: g.store, Retained: g.retained, Status: g.store.Status(), Log: adminLog{g.rocket}, Name: "admin-" + g.id,
		Limit: g.named, MaxSubscriptions: g.cfg.MaxSubscriptions, NoP2P: !g.cfg.P2P,
		RocketMQTopic: func(name string) string { return topic.RocketMQTopic(name, g.cfg.FallbackTopic, g.firstAllowed()) },
	})
	return admin.NewHTTP(admin.HTTPConfig{Admin: a, Operator: g.operator(), Logger: g.log})
}

// operator lets in who has ADMIN_TOKEN.
func (g *Gateway) operator() *web.Operator {
	return web.NewOperator(web.OperatorConfig{Token: g.cfg.AdminToken.Reveal(), Address: g.transport.ClientAddr, Logger: g.log})
}

// firstAllowed tells which first levels have RocketMQ topics of their own; nil: all that can.
func (g *Gateway) firstAllowed() func(string) bool {
	if len(g.cfg.FirstTopics) == 0 {
		return nil
	}
	own := make(map[string]bool, len(g.cfg.FirstTopics))
	for _, first := range g.cfg.FirstTopics {
		own[first] = true
	}
	return func(first string) bool { return own[first] }
}

// adminLog tells where queues end.
type adminLog struct{ c *rocketmq.Client }

// MaxOffsets implements admin.Log.
func (l adminLog) MaxOffsets(ctx context.Context, queues []admin.Queue) ([]int64, error) {
	asked := make([]rocketmq.LMQ, len(queues))
	for i, q := range queues {
		asked[i] = rocketmq.LMQ{Broker: q.Broker, Name: q.LMQ}
	}
	return l.c.MaxOffsets(ctx, asked)
}

// Brokers implements admin.Log.
func (l adminLog) Brokers() []string {
	var names []string
	for _, b := range l.c.Brokers() {
		names = append(names, b.Name)
	}
	return names
}
