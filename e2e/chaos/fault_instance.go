package chaos

import (
	"context"
	"math/rand/v2"
	"os"
	"time"
)

func instanceFaults() []Fault {
	return []Fault{
		{Name: "kill instance", Needs: Needs{Instances: 2}, Run: killInstance},
		{Name: "clock jumps", Needs: Needs{Instances: 2}, Run: clockJumps},
		{Name: "pause instance", Needs: Needs{Instances: 2}, Run: pauseFor(500*time.Millisecond, 3*time.Second)},
		{Name: "pause instance beyond its lease", Needs: Needs{Instances: 2}, Slow: true, Run: pauseFor(16*time.Second, 19*time.Second)},
	}
}

// killInstance ends an instance as a crash does and starts it again at its addresses.
func killInstance(ctx context.Context, w *World, r *rand.Rand) error {
	n := r.IntN(len(w.Instances))
	w.event("kill", "instance %d", n+1)
	w.Instances[n].Kill()
	rest(ctx, between(r, 0, 2*time.Second))
	w.event("start", "instance %d", n+1)
	w.Instances[n].Start()
	return w.mended(ctx)
}

// pauseFor stops an instance with its connections open and lets it go on.
func pauseFor(least, most time.Duration) func(context.Context, *World, *rand.Rand) error {
	return func(ctx context.Context, w *World, r *rand.Rand) error {
		n, d := r.IntN(len(w.Instances)), between(r, least, most)
		w.event("pause", "instance %d for %v", n+1, d)
		w.Instances[n].Pause()
		rest(ctx, d)
		w.Instances[n].Resume()
		w.event("resume", "instance %d", n+1)
		return w.mended(ctx)
	}
}

// clockJumps sets the clock of an instance forward or back for a while.
func clockJumps(ctx context.Context, w *World, r *rand.Rand) error {
	n, by := r.IntN(len(w.Instances)), between(r, -time.Hour, time.Hour).Round(time.Second)
	w.event("clock", "of instance %d off by %v", n+1, by)
	if err := os.WriteFile(w.clocks[n], []byte(by.String()), 0o600); err != nil {
		return err
	}
	rest(ctx, between(r, time.Second, 4*time.Second))
	w.event("clock", "of instance %d right again", n+1)
	if err := os.Remove(w.clocks[n]); err != nil {
		return err
	}
	return w.mended(ctx)
}
