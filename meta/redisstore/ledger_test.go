package redisstore

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTally: numbers may overtake each other within the window, but none may come twice or from long ago.
func TestTally(t *testing.T) {
	for _, c := range []struct {
		name  string
		told  []uint64
		wrong int // index of the first that is refused, -1 = none
	}{
		{"in order", []uint64{1, 2, 3, 4}, -1},
		{"overtaking", []uint64{3, 1, 2, 4}, -1},
		{"with gaps", []uint64{1, 5, 9, 5000, 4998, 9000, 8999}, -1},
		{"twice", []uint64{1, 2, 3, 2}, 3},
		{"the same again", []uint64{7, 7}, 1},
		{"from long ago", []uint64{5000, 904}, 1},
		{"just in the window", []uint64{5000, 905}, -1},
		{"anew", []uint64{1, 2, 3, 1, 2, 3}, 3},
		{"ring reused", []uint64{1, 4097, 2, 3, 4098, 4097}, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l tally
			for i, n := range c.told {
				if ok := l.note(n); !ok != (i == c.wrong) {
					t.Fatalf("number %d at %d: %v", n, i, ok)
				} else if !ok {
					return
				}
			}
		})
	}
}

// TestTallyShuffled: any order within the window is accepted, and then any repeat refused.
func TestTallyShuffled(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var l tally
	for block := range uint64(20) {
		numbers := random.Perm(1000)
		for _, n := range numbers {
			if !l.note(block*1000 + uint64(n) + 1) {
				t.Fatalf("%d is refused", block*1000+uint64(n)+1)
			}
		}
	}
	c := l
	if c.note(uint64(19_001 + random.IntN(1000))) {
		t.Error("a repeat is accepted")
	}
}

// TestPick: however many slots hold something, a Check asks for few counts, the newest among them, and for all in turn.
func TestPick(t *testing.T) {
	k := keys{}
	for _, cluster := range []bool{false, true} {
		var l ledger
		var all []slot
		for i := range 64 {
			at := k.slotOf(fmt.Sprint("x/", i))
			if !slices.Contains(all, at) {
				all = append(all, at)
			}
			l.told(at, uint64(i+1))
		}
		newest := k.slotOf("x/63")
		seen := make(map[slot]bool)
		for range len(all)/(countsInTurn-countsLast) + 1 {
			a := l.pick(cluster)
			if len(a.slots) != countsInTurn || len(a.least) != countsInTurn {
				t.Fatalf("cluster %v: %d counts, want %d", cluster, len(a.slots), countsInTurn)
			}
			if !cluster && !slices.Contains(a.slots, newest) {
				t.Error("the newest count is not looked at")
			}
			for i, at := range a.slots {
				seen[at] = true
				if slices.Contains(a.slots[:i], at) {
					t.Errorf("cluster %v: a count twice", cluster)
				}
			}
		}
		if len(seen) != len(all) {
			t.Errorf("cluster %v: %d of %d counts were looked at", cluster, len(seen), len(all))
		}
	}
	var few ledger
	few.told(k.slotOf("a"), 1)
	if a := few.pick(false); len(a.slots) != 1 {
		t.Errorf("%d counts of one slot", len(a.slots))
	}
}
