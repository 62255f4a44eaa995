package telemetry

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
)

// NewRegistry returns a registry with the Go runtime, the process and lmqgate_build_info. Nothing of ours uses the
// global one: two gateways in one test process must not meet in it.
func NewRegistry(b Build) *Registry {
	reg := &Registry{Registry: prometheus.NewRegistry(), metrics: map[string]Metric{}}
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "lmqgate_build_info",
			Help:        "Always 1; the labels name what is running.",
			ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "goversion": b.Go},
		}, func() float64 { return 1 }),
	)
	return reg
}

// Handler serves the registry, and the names of the Java gateway derived from it, at METRICS_ADDR. A collector that
// fails costs its own metrics, not the page.
func Handler(reg *Registry) http.Handler {
	java := newJava()
	page := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := reg.Gather()
		return java.add(families), err
	})
	return promhttp.HandlerFor(page, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}
