package gateway

import (
	"strings"

	dto "github.com/prometheus/client_model/go"

	"lmqgate/adapter/packet"
	"lmqgate/adapter/sys"
	"lmqgate/infra/telemetry"
	"lmqgate/meta/status"
)

// openStatus makes what publishes the status topics.
func (g *Gateway) openStatus() *sys.Publisher {
	return sys.New(sys.Deps{
		Peers: g.store.Status(), Retain: g.retained, Matcher: g.matcher, Lanes: lanes{g.dispatch},
		Figures: g.figures, Retained: g.countRetained,
	}, sys.Config{
		Instance: g.id, Version: telemetry.ReadBuild().Version, Interval: g.cfg.StatusInterval, Logger: g.log,
	})
}

// figures are those of this instance: mostly what its metrics say.
func (g *Gateway) figures() status.Figures {
	f := status.Figures{
		Connected: int64(g.clients.Len()), Subscriptions: int64(g.hub.Subscriptions()),
		BytesReceived: g.traffic.In.Load(), BytesSent: g.traffic.Out.Load(),
	}
	g.most.Store(max(g.most.Load(), f.Connected))
	f.Maximum = g.most.Load()
	families, err := g.reg.Gather()
	if err != nil {
		g.log.Debug("gathering metrics for the status topics failed in part", "error", err)
	}
	for _, family := range families {
		switch family.GetName() {
		case "lmqgate_packets_total":
			f.MessagesReceived, f.PublishReceived = packets(family, "in")
			f.MessagesSent, f.PublishSent = packets(family, "out")
		case "lmqgate_publishes_total":
			f.PublishDropped = dropped(family)
		}
	}
	return f
}

// packets sums up what went in one direction.
func packets(family *dto.MetricFamily, direction string) (all, publish int64) {
	for _, m := range family.GetMetric() {
		if label(m, "direction") != direction {
			continue
		}
		n := int64(m.GetCounter().GetValue())
		all += n
		if label(m, "type") == packet.PUBLISH.String() {
			publish += n
		}
	}
	return all, publish
}

// dropped counts the messages of QoS 0 that did not get into the log.
func dropped(family *dto.MetricFamily) (n int64) {
	for _, m := range family.GetMetric() {
		if label(m, "qos") == "0" && !strings.HasPrefix(label(m, "outcome"), "acked") {
			n += int64(m.GetCounter().GetValue())
		}
	}
	return n
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}
