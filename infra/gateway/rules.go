package gateway

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"lmqgate/meta/access"
)

// rulesEvery is how often ACL_RULES_FILE is read again: mounted files are replaced in ways that no notification tells of.
const rulesEvery = 10 * time.Second

// rulesFile keeps the rules of everybody as ACL_RULES_FILE has them.
type rulesFile struct {
	g      *Gateway
	broken prometheus.Gauge

	mu    sync.Mutex // protects the fields below
	rules []access.Rule
	said  string // what was wrong the last time, "" if nothing was
}

func (g *Gateway) newRulesFile() *rulesFile {
	return &rulesFile{g: g, rules: g.cfg.Rules, broken: promauto.With(g.reg).NewGauge(prometheus.GaugeOpts{
		Name: "lmqgate_acl_rules_broken", Help: "1 while ACL_RULES_FILE cannot be read or is no list of rules: those read before are in force.",
	})}
}

// run looks at it until ctx ends.
func (f *rulesFile) run(ctx context.Context) {
	tick := time.NewTicker(rulesEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			f.look()
		}
	}
}

// look reads it again. One that cannot be read leaves the rules as they are.
func (f *rulesFile) look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.g
	now, err := g.cfg.ReadRules()
	if err != nil {
		f.broken.Set(1)
		if f.said != err.Error() {
			f.said = err.Error()
			g.log.Error("ACL_RULES_FILE cannot be used, the rules stay as they were", "error", err)
		}
		return
	}
	f.broken.Set(0)
	f.said = ""
	if reflect.DeepEqual(f.rules, now) {
		return
	}
	f.rules = now
	g.rules.Set(&access.RuleSet{Everybody: now, Default: g.cfg.ACLDefault == "allow"})
	g.log.Info("ACL_RULES_FILE has changed, its rules are in force", "rules", len(now), "subscriptions_ended", g.clients.Recheck())
}
