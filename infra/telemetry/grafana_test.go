package telemetry

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	metricName = regexp.MustCompile(`\b(?:lmqgate|mqtt|go|process)_[a-z0-9_]+`)
	alertExpr  = regexp.MustCompile(`(?m)^ +expr: (.+)$`)
	alertName  = regexp.MustCompile(`(?m)^ +- alert: (\w+)$`)
)

// TestDashboardAndAlerts: every metric that the dashboard and the alert rules ask for exists; every alert says what to do.
func TestDashboardAndAlerts(t *testing.T) {
	doc, err := os.ReadFile("METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	exists := func(name string) bool {
		if Standard(name) || strings.Contains(string(doc), "| `"+name+"` |") {
			return true
		}
		base, ok := strings.CutSuffix(name, "_bucket")
		return ok && strings.Contains(string(doc), "| `"+base+"` | histogram |")
	}
	exprs := dashboardExprs(t)
	if len(exprs) < 50 {
		t.Errorf("the dashboard has %d expressions only", len(exprs))
	}
	rules, err := os.ReadFile("../deploy/grafana/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := alertExpr.FindAllStringSubmatch(string(rules), -1)
	if names := alertName.FindAllString(string(rules), -1); len(names) != len(alerts) || len(names) < 10 ||
		strings.Count(string(rules), " description: ") != len(names) {
		t.Errorf("%d alerts, %d expressions, %d descriptions", len(names), len(alerts), strings.Count(string(rules), " description: "))
	}
	for _, a := range alerts {
		exprs = append(exprs, a[1])
	}
	for _, expr := range exprs {
		names := metricName.FindAllString(expr, -1)
		if len(names) == 0 {
			t.Errorf("no metric in %s", expr)
		}
		for _, name := range names {
			if !exists(name) {
				t.Errorf("%s is not a metric: %s", name, expr)
			}
		}
		if strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "{") != strings.Count(expr, "}") {
			t.Errorf("unbalanced: %s", expr)
		}
	}
}

// dashboardExprs are the PromQL expressions of the dashboard, and checks that its rows are there.
func dashboardExprs(t *testing.T) (exprs []string) {
	t.Helper()
	b, err := os.ReadFile("../deploy/grafana/lmqgate.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID          int
			Type, Title string
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(b, &dashboard); err != nil {
		t.Fatal(err)
	}
	rows, seen := map[string]bool{}, map[int]bool{}
	for _, p := range dashboard.Panels {
		if seen[p.ID] {
			t.Errorf("two panels with id %d", p.ID)
		}
		seen[p.ID] = true
		if p.Type == "row" {
			rows[p.Title] = true
		} else if len(p.Targets) == 0 {
			t.Errorf("panel %q is empty", p.Title)
		}
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	for _, row := range []string{"Overview", "Connections", "Publish", "Delivery", "Redis", "RocketMQ", "Process"} {
		if !rows[row] {
			t.Errorf("no row %s", row)
		}
	}
	return exprs
}
