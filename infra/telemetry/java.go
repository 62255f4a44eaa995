package telemetry

import (
	"net"
	"os"
	"slices"
	"strings"
	"sync"

	dto "github.com/prometheus/client_model/go"
)

// javaNames are the metrics of Apache RocketMQ MQTT that dashboards use. Java's gauge of times holds the last one in
// milliseconds; here it is their mean since the page was asked for before.
var javaNames = []struct {
	name, kind string
	labels     []string
	help, from string
}{
	{"mqtt_cs_connections_size", "gauge", nil, "server connections size.", "`lmqgate_clients`"},
	{
		"mqtt_cs_pull_cache_status_tps_total", "counter",
		[]string{"pullCacheStatus"},
		"ds pull cache status tps.",
		"`lmqgate_ring_reads_total`: `found` is `PullFromCache`, `behind` is `OutPullCache`; `lmqgate_shared_popped_total` is `NotPullCache`",
	},
	{"mqtt_cs_tps_total", "counter", nil, "mqtt packets handled.", "`lmqgate_packets_total` in both directions"},
	{
		"mqtt_ds_pull_status_tps_total", "counter",
		[]string{"pullStatus"},
		"ds pull msg status tps.",
		"`lmqgate_rocketmq_pull_answers_total`: `FOUND`, `NO_NEW_MSG`, `NO_MATCHED_MSG` (retry), `OFFSET_ILLEGAL`; others have no status there",
	},
	{
		"mqtt_ds_read_write_match_action_rt", "gauge",
		[]string{"action", "status"},
		"lmq read write match action rt.",
		"mean ms since the last page: `lmqWrite` of `lmqgate_rocketmq_send_seconds`, `lmqPull` of `lmqgate_rocketmq_pull_seconds`, `match` of `lmqgate_publish_match_seconds`; `status` is `true`",
	},
}

var pullStatus = map[string]string{
	"found": "FOUND", "no_new": "NO_NEW_MSG", "retry": "NO_MATCHED_MSG", "offset_moved": "OFFSET_ILLEGAL",
}

// java derives the Java gateway's metrics from ours, when a page is asked for and not before. Safe for concurrent use.
type java struct {
	host []*dto.LabelPair

	mu    sync.Mutex // protects times
	times map[string]mean
}

// mean is a histogram at the last page.
type mean struct {
	sum, last float64
	count     uint64
}

func newJava() *java {
	name, _ := os.Hostname()
	return &java{host: []*dto.LabelPair{pair("hostIp", hostIP()), pair("hostName", name)}, times: map[string]mean{}}
}

// add returns families with Java's among them, by name.
func (j *java) add(families []*dto.MetricFamily) []*dto.MetricFamily {
	ours := make(map[string]*dto.MetricFamily, len(families))
	for _, f := range families {
		ours[f.GetName()] = f
	}
	values := map[string][]*dto.Metric{
		"mqtt_cs_connections_size":            j.sum(ours["lmqgate_clients"], false),
		"mqtt_cs_tps_total":                   j.sum(ours["lmqgate_packets_total"], true),
		"mqtt_ds_pull_status_tps_total":       j.pulls(ours["lmqgate_rocketmq_pull_answers_total"]),
		"mqtt_cs_pull_cache_status_tps_total": j.cache(ours["lmqgate_ring_reads_total"], ours["lmqgate_shared_popped_total"]),
		"mqtt_ds_read_write_match_action_rt": slices.Concat(
			j.time("lmqWrite", ours["lmqgate_rocketmq_send_seconds"]), j.time("lmqPull", ours["lmqgate_rocketmq_pull_seconds"]),
			j.time("match", ours["lmqgate_publish_match_seconds"])),
	}
	out := slices.Clone(families)
	for _, n := range javaNames {
		if len(values[n.name]) == 0 {
			continue
		}
		kind := dto.MetricType_GAUGE
		if n.kind == "counter" {
			kind = dto.MetricType_COUNTER
		}
		out = append(out, &dto.MetricFamily{Name: &n.name, Help: &n.help, Type: &kind, Metric: values[n.name]})
	}
	slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out
}

// sum is all of a family in one metric.
func (j *java) sum(f *dto.MetricFamily, counter bool) []*dto.Metric {
	if f == nil {
		return nil
	}
	total := 0.0
	for _, m := range f.GetMetric() {
		total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
	}
	return []*dto.Metric{j.metric(total, counter)}
}

func (j *java) pulls(f *dto.MetricFamily) (out []*dto.Metric) {
	for _, m := range f.GetMetric() {
		if name := pullStatus[labelOf(m, "status")]; name != "" {
			out = append(out, j.metric(m.GetCounter().GetValue(), true, pair("pullStatus", name)))
		}
	}
	return out
}

func (j *java) cache(ring, popped *dto.MetricFamily) (out []*dto.Metric) {
	for _, m := range ring.GetMetric() {
		switch labelOf(m, "result") {
		case "found":
			out = append(out, j.metric(m.GetCounter().GetValue(), true, pair("pullCacheStatus", "PullFromCache")))
		case "behind":
			out = append(out, j.metric(m.GetCounter().GetValue(), true, pair("pullCacheStatus", "OutPullCache")))
		}
	}
	for _, m := range popped.GetMetric() {
		out = append(out, j.metric(m.GetCounter().GetValue(), true, pair("pullCacheStatus", "NotPullCache")))
	}
	return out
}

// time is the mean of a histogram's times since the last page, in ms; that of the last page if there were none.
func (j *java) time(action string, f *dto.MetricFamily) []*dto.Metric {
	if len(f.GetMetric()) == 0 {
		return nil
	}
	h := f.GetMetric()[0].GetHistogram()
	j.mu.Lock()
	defer j.mu.Unlock()
	t := j.times[action]
	if n := h.GetSampleCount(); n > t.count {
		t.last = (h.GetSampleSum() - t.sum) / float64(n-t.count) * 1000
	}
	t.sum, t.count = h.GetSampleSum(), h.GetSampleCount()
	j.times[action] = t
	return []*dto.Metric{j.metric(t.last, false, pair("action", action), pair("status", "true"))}
}

func (j *java) metric(v float64, counter bool, labels ...*dto.LabelPair) *dto.Metric {
	m := &dto.Metric{Label: slices.Concat(labels, j.host)}
	slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return strings.Compare(a.GetName(), b.GetName()) })
	if counter {
		m.Counter = &dto.Counter{Value: &v}
	} else {
		m.Gauge = &dto.Gauge{Value: &v}
	}
	return m
}

func pair(name, value string) *dto.LabelPair { return &dto.LabelPair{Name: &name, Value: &value} }

func labelOf(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

// hostIP is the first address of this host that is not loopback's.
func hostIP() string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			return n.IP.String()
		}
	}
	return "127.0.0.1"
}
