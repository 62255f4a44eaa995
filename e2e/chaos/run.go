package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"lmqgate/e2e/history"
	"lmqgate/e2e/parts"
)

// RunOptions say how long and with what a world is disturbed.
type RunOptions struct {
	Seed   uint64
	Time   time.Duration // of disturbing; what has to come afterwards is waited for
	Faults []string      // parts of the names of those to choose from; empty: all that fit
	Slow   bool          // slow ones too
	Load   LoadOptions   // Seed and Root are set by Run
	Log    func(format string, args ...any)
}

// margin is how long before a fault is told and after it is mended its effects may show.
const margin = 15 * time.Second

// Run lets a load act in a world, disturbs the world at random, and judges the history. The history of a failed run is
// written to the file that is returned. The choice of faults and what clients do follow the seed; how they meet does not.
func Run(t parts.T, w *World, o RunOptions) (verdict history.Verdict, file string) {
	t.Helper()
	rec := history.NewRecorder()
	w.OnEvent(func(name, detail string) {
		rec.Add(history.Event{Kind: history.Fault, Text: name + " " + detail})
	})
	faults := slices.DeleteFunc(Faults(), func(f Fault) bool { return !w.Fits(f.Needs) || f.Slow && !o.Slow || !chosen(o.Faults, f.Name) })
	if len(faults) == 0 {
		t.Fatalf("no fault fits")
	}
	o.Load.Seed, o.Load.Root = o.Seed, fmt.Sprintf("chaos%d", o.Seed)
	places := append(w.TCP(), w.WS()...)
	load := NewLoad(rec, func() []string { return places }, o.Load)
	load.Start()
	permits := disturb(t, w, rec, faults, o)
	events := load.Quiesce(permits)
	load.Close()
	if rec.Full() {
		t.Fatalf("the history is full")
	}
	verdict = history.Check(events, permits...)
	if len(verdict.Violations) > 0 {
		file = save(t, events)
	}
	return verdict, file
}

func chosen(names []string, name string) bool {
	return len(names) == 0 || slices.ContainsFunc(names, func(part string) bool { return strings.Contains(name, part) })
}

// disturb runs one fault after the other, in rounds of all, until the time is over. It returns what they excuse.
func disturb(t parts.T, w *World, rec *history.Recorder, faults []Fault, o RunOptions) []history.Permit {
	r := rand.New(rand.NewPCG(o.Seed, 1<<40))
	ctx, cancel := context.WithTimeout(context.Background(), o.Time)
	defer cancel()
	now := func() time.Duration {
		rec.Add(history.Event{Kind: history.Fault, Text: "round"})
		events := rec.Events()
		return events[len(events)-1].At
	}
	var permits []history.Permit
	for ctx.Err() == nil {
		r.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
		for _, f := range faults {
			rest(ctx, between(r, 200*time.Millisecond, 2*time.Second))
			if ctx.Err() != nil {
				break
			}
			from := now()
			if err := f.Run(ctx, w, r); err != nil {
				t.Fatalf("fault %q: %v", f.Name, err)
			}
			to := now()
			o.Log("%8.1fs %s, for %.1f s", from.Seconds(), f.Name, (to - from).Seconds())
			p := history.Permit{Rules: f.Excuses, From: from - margin, To: to + margin, Why: f.Name + ": " + strings.Join(f.Loses, "; ")}
			if f.Reroutes && len(w.MQWays) > 1 {
				p.Rules = append(slices.Clone(p.Rules), history.Order)
				p.Why += "messages of a topic go to another broker meanwhile"
			}
			permits = append(permits, p)
		}
	}
	return permits
}

// save writes a history where it outlives the test.
func save(t parts.T, events []history.Event) string {
	f, err := os.CreateTemp("", "lmqgate-history-*.jsonl")
	if err != nil {
		t.Fatalf("save history: %v", err)
	}
	defer f.Close()
	if err := history.Write(f, events); err != nil {
		t.Fatalf("save history: %v", err)
	}
	return f.Name()
}
