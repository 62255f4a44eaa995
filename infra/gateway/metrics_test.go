package gateway

import (
	"bufio"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"lmqgate/adapter/packet"
	"lmqgate/infra/config"
	"lmqgate/infra/telemetry"
)

// labels are those that a metric may have: each has few values, whatever clients do. A client id, topic, filter, user name
// or address may never be one.
var labels = []string{
	"broker", "cause", "command", "commit", "dependency", "direction", "format", "from", "function", "goversion", "kind", "outcome", "qos", "reason",
	"result", "rocketmq_topic", "session", "side", "stage", "status", "type", "version",
}

// TestMetrics: what a running instance exports is documented and well named, and what is documented is exported.
func TestMetrics(t *testing.T) {
	noLeaks(t)
	cfg, err := config.Load(Everything)
	if err != nil {
		t.Fatal(err)
	}
	g := start(t, cfg)
	becomes(t, g, http.StatusOK)
	sub, _ := dial(t, g, connect("a-telling-client-id", 0))
	sub.subscribe("telling/topic/#", 1)
	pub, _ := dial(t, g, connect("another-telling-client-id", 0))
	pub.publish("telling/topic/name", "x")
	if _, ok := sub.next().(*packet.Publish); !ok {
		t.Fatal("no message")
	}

	doc, err := os.ReadFile("../telemetry/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := telemetry.Document(g.Metrics()); string(doc) != want {
		t.Error("METRICS.md is not what the gateway registers: run make generate")
	}
	problems, err := testutil.GatherAndLint(g.reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if !telemetry.Standard(p.Metric) {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	page := metricsPage(t, g)
	if strings.Contains(page, "telling") {
		t.Error("the page names a client or a topic")
	}
	for _, m := range g.Metrics() {
		if m.Type == "untyped" {
			t.Errorf("%s has no type", m.Name)
		}
		for _, l := range m.Labels {
			if !slices.Contains(labels, l) {
				t.Errorf("%s has a label %s that is not known to have few values", m.Name, l)
			}
		}
	}
	for name := range families(page) {
		if !telemetry.Standard(name) && !strings.Contains(string(doc), "| `"+name+"` |") {
			t.Errorf("%s is exported and not documented", name)
		}
	}
	for _, want := range []string{ // of Java's
		`mqtt_cs_connections_size{hostIp="`, `mqtt_cs_tps_total{`, `pullStatus="FOUND"`, `pullCacheStatus="PullFromCache"`,
		`mqtt_ds_read_write_match_action_rt{action="lmqWrite",`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if v := valueOf(page, "mqtt_cs_connections_size"); v != "2" {
		t.Errorf("Java's number of connections is %q", v)
	}
}

func metricsPage(t *testing.T, g *Gateway) string {
	t.Helper()
	defer http.DefaultClient.CloseIdleConnections()
	res, err := http.Get("http://" + g.HTTPAddr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v: %s", res.StatusCode, err, body)
	}
	return string(body)
}

// families are the names on a page, with their types.
func families(page string) map[string]string {
	found := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(page)); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "# TYPE "); ok {
			name, kind, _ := strings.Cut(name, " ")
			found[name] = kind
		}
	}
	return found
}

// valueOf is the value of the first line of a metric.
func valueOf(page, name string) string {
	for lines := bufio.NewScanner(strings.NewReader(page)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), name); ok && (rest[0] == ' ' || rest[0] == '{') {
			return rest[strings.LastIndexByte(rest, ' ')+1:]
		}
	}
	return ""
}
