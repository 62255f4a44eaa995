package e2e

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"lmqgate/adapter/packet"
)

// clause is one normative statement of a specification, or several that one scene shows together, and the scene that shows
// whether the gateway keeps it. adapter/client/CONFORMANCE.md lists them all.
type clause struct {
	id   string // without brackets, the subtest's name
	show func(s *scene)
}

// row is one value of each dimension that clauses are shown in.
type row struct {
	transport string // "tcp" or "ws"
	instances int
	backend   backend
}

func (r row) String() string { return fmt.Sprintf("%s-%d-%s", r.transport, r.instances, r.backend) }

// rows are chosen so that every value of a dimension occurs; LMQGATE_TEST_MATRIX=1 asks for all combinations. Embedded
// instances share nothing, so there is one of them at a time.
func rows() []row {
	if !isMatrix() {
		return []row{{"tcp", 1, embedded}, {"ws", 2, mini}, {"tcp", 2, real}}
	}
	var all []row
	for _, transport := range []string{"tcp", "ws"} {
		all = append(all, row{transport, 1, embedded})
		for _, b := range []backend{mini, real} {
			all = append(all, row{transport, 1, b}, row{transport, 2, b})
		}
	}
	return all
}

func isMatrix() bool { return os.Getenv("LMQGATE_TEST_MATRIX") == "1" }

// TestConformance311 shows the clauses of MQTT 3.1.1, each in every row.
func TestConformance311(t *testing.T) { conform(t, packet.V311, clauses311()) }

// TestConformance5 shows the clauses of MQTT 5.0, each in every row.
func TestConformance5(t *testing.T) { conform(t, packet.V5, clauses5()) }

// conform runs the clauses of each row side by side: most of a clause's time is waiting.
func conform(t *testing.T, v packet.Version, clauses []clause) {
	var results []result
	for _, r := range rows() {
		t.Run(r.String(), func(t *testing.T) {
			began := time.Now()
			at := openSite(t, r)
			queue := make(chan clause, len(clauses))
			for _, c := range clauses {
				queue <- c
			}
			close(queue)
			res := result{row: r}
			var mu sync.Mutex // protects res
			var work sync.WaitGroup
			for range 16 {
				work.Go(func() {
					for c := range queue {
						skipped := false
						ok := t.Run(c.id, func(t *testing.T) {
							defer func() { skipped = t.Skipped() }()
							c.show(newScene(t, at, v))
						})
						mu.Lock()
						res.count(c.id, ok, skipped)
						mu.Unlock()
					}
				})
			}
			work.Wait()
			res.took = time.Since(began)
			results = append(results, res)
		})
	}
	if isMatrix() {
		printResults(v, results)
	}
}

// result is what came of one row.
type result struct {
	row             row
	passed, skipped int
	failed          []string
	took            time.Duration
}

func (r *result) count(id string, ok, skipped bool) {
	switch {
	case skipped:
		r.skipped++
	case ok:
		r.passed++
	default:
		r.failed = append(r.failed, id)
	}
}

// printResults writes the table that make matrix is for.
func printResults(v packet.Version, results []result) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "MQTT %v\tinstances\tstate in\tpassed\tfailed\tskipped\ttime\t\n", v)
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%d\t%d\t%.0f s\t%s\n", r.row.transport, r.row.instances, r.row.backend,
			r.passed, len(r.failed), r.skipped, r.took.Seconds(), strings.Join(r.failed, " "))
	}
	_ = w.Flush()
}
