package rocketmq

import "github.com/prometheus/client_golang/prometheus"

// linkStates tells of each master whether it can be talked to. Its label is a broker's name: there are few.
type linkStates struct {
	c  *Client
	up *prometheus.Desc
}

func newLinkStates(c *Client) linkStates {
	return linkStates{c, prometheus.NewDesc("lmqgate_rocketmq_broker_up",
		"Whether the connection for sends and short calls to a master of the cluster stands, 1 or 0.", []string{"broker"}, nil)}
}

// Kind says that it is a gauge.
func (l linkStates) Kind() string { return "gauge" }

// Describe implements prometheus.Collector.
func (l linkStates) Describe(ch chan<- *prometheus.Desc) { ch <- l.up }

// Collect implements prometheus.Collector.
func (l linkStates) Collect(ch chan<- prometheus.Metric) {
	for _, b := range l.c.Brokers() {
		up := 0.0
		if conn := l.c.cluster.link(b.Name).control.get(); conn != nil && conn.Err() == nil {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(l.up, prometheus.GaugeValue, up, b.Name)
	}
}
