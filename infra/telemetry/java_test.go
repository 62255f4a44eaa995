package telemetry

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// TestJavaTimes: the gauge of times is the mean since the page before, in ms.
func TestJavaTimes(t *testing.T) {
	reg := NewRegistry(Build{})
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "lmqgate_rocketmq_send_seconds", Help: "h", Buckets: []float64{1}})
	reg.MustRegister(h)
	j := newJava()
	value := func() float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range j.add(families) {
			if f.GetName() == "mqtt_ds_read_write_match_action_rt" {
				return f.GetMetric()[0].GetGauge().GetValue()
			}
		}
		t.Fatal("no such metric")
		return 0
	}
	for _, step := range []struct {
		observe []float64
		want    float64
	}{{nil, 0}, {[]float64{0.25, 0.75}, 500}, {nil, 500}, {[]float64{0.125}, 125}} {
		for _, v := range step.observe {
			h.Observe(v)
		}
		if got := value(); got != step.want {
			t.Errorf("after %v: %v ms, want %v", step.observe, got, step.want)
		}
	}
}

func TestParseDesc(t *testing.T) {
	d := prometheus.NewDesc("a_total", `of "b", {c}`, []string{"y", "x"}, prometheus.Labels{"const": "v,w=1"})
	m, ok := parseDesc(d.String())
	if !ok || m.Name != "a_total" || m.Help != `of "b", {c}` || strings.Join(m.Labels, " ") != "const x y" {
		t.Errorf("%s is read as %+v", d, m)
	}
}
