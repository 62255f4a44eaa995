package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// worlds are those of a long run, with their share of its time.
func worlds() []struct {
	name  string
	share int
	o     WorldOptions
} {
	type world = struct {
		name  string
		share int
		o     WorldOptions
	}
	return []world{
		{"mini", 2, WorldOptions{Instances: 3, Topology: Topology{Brokers: 2}}},
		{"real", 3, WorldOptions{Instances: 3, Real: true}},
		{"replica", 3, WorldOptions{Instances: 2, Real: true, Topology: Topology{Redis: Replica, Brokers: 2}}},
		{"sentinel", 1, WorldOptions{Topology: Topology{Redis: Sentinel, Brokers: 2}}},
		{"cluster", 1, WorldOptions{Instances: 3, Topology: Topology{Redis: Cluster, Brokers: 2}}},
	}
}

// TestChaos is a short run in a world of each kind that starts quickly. CHAOS_TIME makes it a long one in all worlds,
// CHAOS_SEED repeats the choices of an earlier one, CHAOS_FAULTS and CHAOS_WORLDS take parts of names, comma separated.
func TestChaos(t *testing.T) {
	long, err := time.ParseDuration(os.Getenv("CHAOS_TIME"))
	if err != nil && os.Getenv("CHAOS_TIME") != "" {
		t.Fatalf("CHAOS_TIME: %v", err)
	}
	shares := 0
	for _, k := range worlds() {
		if picked("CHAOS_WORLDS", k.name) {
			shares += k.share
		}
	}
	for _, k := range worlds() {
		if !picked("CHAOS_WORLDS", k.name) || long == 0 && k.name != "mini" && k.name != "real" {
			continue
		}
		t.Run(k.name, func(t *testing.T) {
			if long == 0 {
				t.Parallel()
			}
			o := RunOptions{Seed: chosenSeed(t), Time: 12 * time.Second, Faults: list("CHAOS_FAULTS"), Log: t.Logf}
			if long > 0 {
				o.Time, o.Slow = long*time.Duration(k.share)/time.Duration(shares), true
				o.Log = func(format string, args ...any) { fmt.Printf("    "+format+"\n", args...) }
			}
			o.Log("world %s, %v, seed %d", k.name, o.Time, o.Seed)
			v, file := Run(t, NewWorld(t, k.o), o)
			o.Log("%v", v)
			for _, one := range v.Excused[:min(3, len(v.Excused))] {
				o.Log("%v", one)
			}
			for _, one := range v.Violations[:min(8, len(v.Violations))] {
				t.Errorf("%v", one)
			}
			if len(v.Violations) > 0 {
				t.Errorf("the history is in %s; CHAOS_SEED=%d repeats the choices", file, o.Seed)
			}
		})
	}
}

func list(name string) []string {
	if v := os.Getenv(name); v != "" {
		return strings.Split(v, ",")
	}
	return nil
}

func picked(variable, name string) bool { return chosen(list(variable), name) }

func chosenSeed(t *testing.T) uint64 {
	v := os.Getenv("CHAOS_SEED")
	if v == "" {
		return rand.Uint64N(1_000_000)
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		t.Fatalf("CHAOS_SEED: %v", err)
	}
	return n
}
