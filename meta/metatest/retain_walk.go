package metatest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"lmqgate/meta/retain"
	"lmqgate/meta/topic"
)

// retainWildcards: all shapes of filters on all shapes of names.
func retainWildcards(t *testing.T, b *RetainedBackend) {
	s := b.Open(t, RetainLimits{})
	stored := make(map[string]string)
	for i, name := range []string{
		"a", "b", "a/b", "a/b/c", "a/b/c/d", "a/c", "a/-", "a/!/b", "a/b-", "a-", "a-/b", "a!/b", "b/b", "b/c/b", "c/a/b", "c/b/b",
		"/", "/a", "/a/b", "//", "a/", "a//", "a//b", "a/ /b", "$SYS", "$SYS/a", "$SYS/a/b", "$", "$/b", "#/x"[1:], "a/$", "a/$SYS/b",
		"%", "%/b", "!", "!/b", "$SYSTEM/a", "~/b", "\u0001", "a\u0001", "a/\u0001", "a/\u0001/b", "é/b", "😀/b/😀",
	} {
		stored[name] = fmt.Sprint(i)
		setRetained(t, s, retained(name, stored[name]))
	}
	wantCount(t, s, len(stored))
	filters := []string{
		"#", "+", "+/#", "+/+", "+/+/#", "+/+/+", "a", "a/#", "a/+", "a/+/#", "a/b/#", "a/b/c/#", "a/+/b", "a/+/+", "+/b", "+/b/#",
		"+/+/b", "+/b/+", "+/a/b", "+/b/b", "/#", "/+", "//#", "/+/b", "+//b", "a//#", "a//+", "a/+/", "+/", "a/", "$SYS/#", "$SYS/+", "$/#",
		"$SYS/+/b", "$+"[:1], "a/$/#", "+/$SYS/#", "%/#", "none/#", "none/+", "a/none/+", "+/none", "+/none/+/#", "a/b/c/d/e/#", "a-/#", "!/+",
		"+/\u0001", "+/\u0001/#", "\u0001/#", "-/#", "-/+", "+/-", "$share/g/#", "$share/g/a",
	}
	wantMatches(t, s, stored, filters, 1, 2, 7, 1000)
}

// retainOddNames: names that must not be mistaken for structure, as topics, first levels, later levels and in filters.
func retainOddNames(t *testing.T, b *RetainedBackend) {
	s := b.Open(t, RetainLimits{})
	stored := make(map[string]string)
	filters := []string{"#", "+/#", "odd/#", "odd/+/x", "+/+/x"}
	for i, odd := range oddNames() {
		for _, name := range []string{odd, "odd/" + odd, "odd/" + odd + "/x", odd + "/x"} {
			if topic.ValidName(name) != nil {
				continue
			}
			stored[name] = fmt.Sprint(i)
			setRetained(t, s, retained(name, stored[name]))
			filters = append(filters, name, name+"/#", name+"/+")
		}
	}
	wantMatches(t, s, stored, filters, 50)
	for name := range stored {
		setRetained(t, s, retained(name, ""))
		wantRetained(t, s, name, nil)
	}
	wantCount(t, s, 0)
}

// retainLarge: names as long as MQTT has them, of one level and of as many as fit, and large payloads.
func retainLarge(t *testing.T, b *RetainedBackend) {
	s := b.Open(t, RetainLimits{})
	long, deep := strings.Repeat("x", topic.MaxBytes), strings.Repeat("/", topic.MaxBytes)
	stored := map[string]string{
		long: "long", long[1:] + "y": "other", deep: "deep", "a/" + long[2:]: "below", deep[1:] + "a": "deeper",
		long[:40_000] + deep[:25_000]: "both",
	}
	for i := range 12 {
		stored[fmt.Sprint("big/", i)] = strings.Repeat(fmt.Sprint(i%10), 256<<10)
	}
	for name, payload := range stored {
		setRetained(t, s, retained(name, payload))
		wantRetained(t, s, name, retained(name, payload))
	}
	wantCount(t, s, len(stored))
	wantMatches(t, s, stored, []string{
		"a/+", "big/+", long[:40_000] + "/#", deep[:60_000] + "#", "+" + deep[:2000] + "+/#", strings.Repeat("/+", 1000) + "/#",
	}, 20)
	wantMatches(t, s, stored, []string{"#"}, 5)
	for name := range stored {
		setRetained(t, s, retained(name, ""))
	}
	wantCount(t, s, 0)
}

// retainPages: topics that are there during a whole iteration come exactly once, whatever happens around them.
func retainPages(t *testing.T, b *RetainedBackend) {
	s, other := b.Open(t, RetainLimits{}), b.Open(t, RetainLimits{})
	for _, filter := range []string{"p/+/x", "p/#", "+/+/x"} {
		for i := range 40 {
			setRetained(t, s, retained(fmt.Sprintf("p/%02d/x", i), "stays"))
		}
		seen := make(map[string]int)
		for cursor, page := "", 0; page == 0 || cursor != ""; page++ {
			found, next, err := s.Match(t.Context(), filter, cursor, 7)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range found {
				seen[m.Topic]++
			}
			for i := page % 3; i < 40; i += 3 { // all around what stays, and replacing it; odd pages take it away again
				payload := "comes and goes"[page%2*14:]
				for _, shape := range []string{"p/%02d/w/x", "p/%02d", "p/%02d-/x", "p/%02d/x/y", "q%02d/z/x"} {
					setRetained(t, other, retained(fmt.Sprintf(shape, i), payload))
				}
				setRetained(t, other, retained(fmt.Sprintf("p/%02d/x", i), "stays"))
			}
			if len(found) > 0 { // the very topic that the cursor stands at goes
				gone := retained(found[len(found)-1].Topic, "")
				setRetained(t, other, gone)
				seen[gone.Topic] += 0
			}
			cursor = next
		}
		for i := range 40 {
			if name := fmt.Sprintf("p/%02d/x", i); seen[name] != 1 {
				t.Errorf("match %s: %s was seen %d times", filter, name, seen[name])
			}
		}
		for name, n := range seen {
			if n > 1 || !topic.Match(filter, name) {
				t.Errorf("match %s: %s was seen %d times", filter, name, n)
			}
			setRetained(t, s, retained(name, ""))
		}
		for name := range matchAll(t, s, "#", 100) {
			setRetained(t, s, retained(name, ""))
		}
	}
	wantCount(t, s, 0)
}

// retainModel: random sets, removals and matches against a map and topic.Match.
func retainModel(t *testing.T, b *RetainedBackend) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, seed))
	stores := []retain.Store{b.Open(t, RetainLimits{}), b.Open(t, RetainLimits{})}
	levels := []string{"a", "b", "c", "", "$x", "-", "a-", "é"}
	pick := func(wild bool) string {
		var parts []string
		for range 1 + random.IntN(4) {
			parts = append(parts, levels[random.IntN(len(levels))])
			if wild && random.IntN(3) == 0 {
				parts[len(parts)-1] = "+"
			}
		}
		if wild && random.IntN(3) == 0 {
			parts[len(parts)-1] = "#"
		}
		return strings.Join(parts, "/")
	}
	stored := make(map[string]string)
	for step := range 800 {
		s := stores[random.IntN(len(stores))]
		name := pick(false)
		if topic.ValidName(name) != nil {
			continue
		}
		if random.IntN(3) == 0 {
			setRetained(t, s, retained(name, ""))
			delete(stored, name)
		} else {
			stored[name] = fmt.Sprint(step)
			setRetained(t, s, retained(name, stored[name]))
		}
		if filter := pick(true); step%8 == 0 && topic.ValidFilter(filter) == nil {
			wantMatches(t, s, stored, []string{filter}, 1+random.IntN(40))
		}
	}
	wantCount(t, stores[0], len(stored))
	wantMatches(t, stores[1], stored, []string{"#", "+/#", "+/+"}, 9)
	if t.Failed() {
		t.Logf("seed %d", seed)
	}
}

// retainConcurrent: writers set and remove topics of one branch while others read it. Nobody misses what stays, and in
// the end value and index agree.
func retainConcurrent(t *testing.T, b *RetainedBackend) {
	const writers, rounds = 6, 30
	var wg sync.WaitGroup
	reader := b.Open(t, RetainLimits{})
	setRetained(t, reader, retained("c/x/stays", "x"))
	for w := range writers {
		s := b.Open(t, RetainLimits{})
		wg.Go(func() {
			for i := range rounds {
				for _, name := range []string{"c/x", "c/x/shared", fmt.Sprint("c/x/", w)} {
					payload := fmt.Sprint(w, ".", i)
					if (i+w)%2 == 0 && i < rounds-1 {
						payload = ""
					}
					if err := s.Set(t.Context(), retained(name, payload)); err != nil {
						t.Errorf("set: %v", err)
					}
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		for _, filter := range []string{"c/x/#", "+/x/stays", "c/+/+"} {
			if matchAll(t, reader, filter, 2)["c/x/stays"] != "x" {
				t.Errorf("match %s misses what stays", filter)
			}
		}
	}
	stored := map[string]string{"c/x/stays": "x"}
	for w := range writers {
		stored[fmt.Sprint("c/x/", w)] = fmt.Sprint(w, ".", rounds-1)
	}
	for _, name := range []string{"c/x", "c/x/shared"} {
		m, err := reader.Get(t.Context(), name)
		if err != nil {
			t.Fatalf("get %s: %v", name, err)
		}
		stored[name] = string(m.Payload)
	}
	wantMatches(t, reader, stored, []string{"c/#", "c/x/+", "#"}, 3, 100)
	wantCount(t, reader, len(stored))
}
