package telemetry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Metric is what is known of one metric whether or not it has values yet.
type Metric struct {
	Name   string
	Type   string // "counter", "gauge" or "histogram"
	Labels []string
	Help   string
}

// Registry is a Prometheus registry that knows what was registered with it. Safe for concurrent use.
type Registry struct {
	*prometheus.Registry

	mu      sync.Mutex // protects metrics
	metrics map[string]Metric
}

var _ prometheus.Registerer = (*Registry)(nil)

// Register implements prometheus.Registerer.
func (r *Registry) Register(c prometheus.Collector) error {
	if err := r.Registry.Register(c); err != nil {
		return err
	}
	kind := kindOf(c)
	descs := make(chan *prometheus.Desc)
	go func() { c.Describe(descs); close(descs) }()
	r.mu.Lock()
	defer r.mu.Unlock()
	for d := range descs {
		if m, ok := parseDesc(d.String()); ok {
			m.Type = kind
			r.metrics[m.Name] = m
		}
	}
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *Registry) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// Metrics lists what is registered and ours, by name. What the collectors of the Go runtime and the process bring is
// documented by their library.
func (r *Registry) Metrics() []Metric {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Metric, 0, len(r.metrics))
	for _, m := range r.metrics {
		if !Standard(m.Name) {
			list = append(list, m)
		}
	}
	slices.SortFunc(list, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Standard reports whether a metric is one of client_golang's own collectors.
func Standard(name string) bool {
	return strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_")
}

// kindOf is the type of a collector's metrics.
func kindOf(c prometheus.Collector) string {
	switch c := c.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.GaugeVec:
		return "gauge"
	case *prometheus.HistogramVec, prometheus.Histogram:
		return "histogram"
	case prometheus.Metric: // one metric, a function's among them
		var m dto.Metric
		switch err := c.Write(&m); {
		case err != nil:
		case m.Counter != nil:
			return "counter"
		case m.Gauge != nil:
			return "gauge"
		}
	case Kinder:
		return c.Kind()
	}
	return "untyped"
}

// Kinder is a collector of several metrics that says of which type they are.
type Kinder interface{ Kind() string }

// parseDesc reads what a prometheus.Desc says of itself; it has no other way to say it.
func parseDesc(s string) (m Metric, ok bool) {
	rest, ok := strings.CutPrefix(s, "Desc{fqName: ")
	if !ok {
		return m, false
	}
	if m.Name, rest, ok = cutQuoted(rest); !ok {
		return m, false
	}
	if m.Help, rest, ok = cutQuoted(strings.TrimPrefix(rest, ", help: ")); !ok {
		return m, false
	}
	_, rest, _ = strings.Cut(rest, "constLabels: {")
	constant, variable, _ := strings.Cut(rest, "}, variableLabels: {")
	for constant != "" { // name="value",name="value"
		name, after, found := strings.Cut(constant, "=")
		if !found {
			break
		}
		m.Labels = append(m.Labels, name)
		_, after, _ = cutQuoted(after)
		constant = strings.TrimPrefix(after, ",")
	}
	for _, name := range strings.Split(strings.TrimSuffix(variable, "}}"), ",") {
		if name != "" {
			m.Labels = append(m.Labels, name)
		}
	}
	slices.Sort(m.Labels)
	return m, true
}

func cutQuoted(s string) (value, rest string, ok bool) {
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", s, false
	}
	value, err = strconv.Unquote(quoted)
	return value, s[len(quoted):], err == nil
}

// Document is METRICS.md: every metric of ours and the Java gateway's names.
func Document(metrics []Metric) string {
	var b strings.Builder
	b.WriteString(`# Metrics

Written by ` + "`make generate`" + ` from what a gateway registers: do not edit. All are of one instance. No label carries a topic, a filter,
a client id or a user name, so their number is bounded whatever clients do. Times are seconds, sizes bytes; counters end in ` + "`_total`" + `.
Beside these there are the standard ` + "`go_`" + ` and ` + "`process_`" + ` metrics of the Prometheus library.

| metric | type | labels | meaning |
|---|---|---|---|
`)
	for _, m := range metrics {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Type, codes(m.Labels), m.Help)
	}
	b.WriteString(`
## Names of the Java gateway

For dashboards of Apache RocketMQ MQTT. They are derived from the metrics above when a page is asked for, and have the labels
` + "`hostName`" + ` and ` + "`hostIp`" + ` too, as there.

| metric | type | labels | derived from |
|---|---|---|---|
`)
	for _, a := range javaNames {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", a.name, a.kind, codes(a.labels), a.from)
	}
	return b.String()
}

func codes(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = "`" + n + "`"
	}
	return strings.Join(quoted, ", ")
}
