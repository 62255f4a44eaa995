package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Tracing is what the OTEL_ variables ask for.
type Tracing struct {
	Endpoint string            // URL that spans are posted to; "": tracing is off
	Headers  map[string]string // of these requests
	Sampler  string
	Ratio    float64 // of a sampler by ratio
	Service  string
}

// samplers of OTEL_TRACES_SAMPLER.
var samplers = []string{
	"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
}

// checkTracing checks the OTEL_ variables that are read here.
func (c *Config) checkTracing(set map[string]string, wrong *Problems) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"} {
		if v := set[name]; v != "" {
			u, err := url.Parse(v)
			wrong.must(set, name, err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "")
		}
	}
	wrong.must(set, "OTEL_EXPORTER_OTLP_PROTOCOL", c.OTLPProtocol == "" || c.OTLPProtocol == "http/protobuf")
	wrong.must(set, "OTEL_TRACES_EXPORTER", c.TracesExporter == "otlp" || c.TracesExporter == "none")
	wrong.must(set, "OTEL_TRACES_SAMPLER", slices.Contains(samplers, c.TracesSampler))
	if c.TracesSamplerArg != "" {
		r, err := strconv.ParseFloat(c.TracesSamplerArg, 64)
		wrong.must(set, "OTEL_TRACES_SAMPLER_ARG", err == nil && r >= 0 && r <= 1)
	}
	_, ok := headers(c.OTLPHeaders.Reveal())
	wrong.must(set, "OTEL_EXPORTER_OTLP_HEADERS", ok)
}

// Tracing returns what the OTEL_ variables ask for, as their specification says. It is off unless one names a collector.
func (c *Config) Tracing() Tracing {
	if c.OTelDisabled || c.TracesExporter == "none" {
		return Tracing{}
	}
	t := Tracing{Endpoint: c.OTLPTracesEndpoint, Sampler: c.TracesSampler, Ratio: 1, Service: c.OTelService}
	if t.Endpoint == "" && c.OTLPEndpoint != "" {
		t.Endpoint = strings.TrimSuffix(c.OTLPEndpoint, "/") + "/v1/traces"
	}
	if r, err := strconv.ParseFloat(c.TracesSamplerArg, 64); err == nil {
		t.Ratio = r
	}
	t.Headers, _ = headers(c.OTLPHeaders.Reveal())
	return t
}

// headers reads `name=value,name=value`, values percent-encoded.
func headers(s string) (map[string]string, bool) {
	out := map[string]string{}
	for pair := range strings.SplitSeq(s, ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || err != nil || name == "" {
			return nil, false
		}
		out[name] = value
	}
	return out, true
}
