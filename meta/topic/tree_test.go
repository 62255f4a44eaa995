package topic

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTreeAgreesWithMatch(t *testing.T) {
	type pair struct {
		filter string
		v      int
	}
	r := rand.New(rand.NewPCG(3, 4))
	var tree Tree[pair]
	held := map[pair]bool{}
	for range 20_000 {
		p := pair{randomFilter(r), r.IntN(40)}
		if r.IntN(2) == 0 {
			if got := tree.Add(p.filter, p); got == held[p] {
				t.Fatalf("Add(%v) = %v", p, got)
			}
			held[p] = true
		} else {
			if got := tree.Remove(p.filter, p); got != held[p] {
				t.Fatalf("Remove(%v) = %v", p, got)
			}
			delete(held, p)
		}
		if tree.Len() != len(held) {
			t.Fatalf("Len() = %d, want %d", tree.Len(), len(held))
		}
		if r.IntN(20) > 0 {
			continue
		}
		name := randomName(r)
		got := map[pair]int{}
		tree.Match(name, func(p pair) { got[p]++ })
		for p := range held {
			if n := got[p]; (n == 1) != Match(p.filter, name) || n > 1 {
				t.Fatalf("Match(%q) gave %v %d times", name, p, n)
			}
			delete(got, p)
		}
		if len(got) > 0 {
			t.Fatalf("Match(%q) gave %v, which are not held", name, got)
		}
	}
	for p := range held {
		tree.Remove(p.filter, p)
	}
	if !tree.root.empty() || tree.Len() != 0 {
		t.Fatal("an emptied tree keeps nodes")
	}
}

func TestTreeManyValuesUnderOneFilter(t *testing.T) {
	var tree Tree[int]
	for i := range 1000 {
		tree.Add("a/+", i)
	}
	for i := 0; i < 1000; i += 2 {
		if !tree.Remove("a/+", i) {
			t.Fatalf("Remove(%d) = false", i)
		}
	}
	var got []int
	tree.Match("a/b", func(v int) { got = append(got, v) })
	slices.Sort(got)
	if len(got) != 500 || got[0] != 1 || got[499] != 999 {
		t.Fatalf("got %d values: %v", len(got), got)
	}
}

func TestTreeMatchDoesNotAllocate(t *testing.T) {
	tree := benchmarkTree()
	n := 0
	count := func(string) { n++ }
	if allocs := testing.AllocsPerRun(100, func() { tree.Match("first/7/temperature", count) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	if n == 0 {
		t.Error("no match")
	}
}

func benchmarkTree() *Tree[string] {
	tree := new(Tree[string])
	for i := range 10_000 {
		for _, f := range []string{"first/%d/#", "first/%d/+", "other/%d/temperature"} {
			f = fmt.Sprintf(f, i)
			tree.Add(f, f)
		}
	}
	tree.Add("#", "#")
	tree.Add("+/+/temperature", "+/+/temperature")
	return tree
}

func BenchmarkTreeMatch(b *testing.B) {
	tree := benchmarkTree()
	n := 0
	count := func(string) { n++ }
	b.ReportAllocs()
	for b.Loop() {
		tree.Match("first/777/temperature", count)
	}
}
