package topic

import (
	"strings"
	"testing"
)

// combinations are all texts of up to n of the levels.
func combinations(levels []string, n int) []string {
	var all []string
	short := []string{""}
	for depth := range n {
		var next []string
		for _, s := range short {
			for _, l := range levels {
				if depth > 0 {
					next = append(next, s+"/"+l)
				} else {
					next = append(next, l)
				}
			}
		}
		all = append(all, next...)
		short = next
	}
	return all
}

// TestCoversAndOverlaps compares with all topic names of a small world, in which more than what is compared can be told apart.
func TestCoversAndOverlaps(t *testing.T) {
	var filters []string
	for _, f := range combinations([]string{"a", "b", "", "+", "#", "$a"}, 3) {
		if ValidFilter(f) == nil && !strings.HasPrefix(f, "$share") {
			filters = append(filters, f)
		}
	}
	names := combinations([]string{"a", "b", "x", "", "$a"}, 4)
	matched := make([][]bool, len(filters))
	for i, f := range filters {
		matched[i] = make([]bool, len(names))
		for j, name := range names {
			matched[i][j] = name != "" && Match(f, name)
		}
	}
	missed := 0
	for i, one := range filters {
		for j, two := range filters {
			covers, overlaps := true, false
			for k := range names {
				covers = covers && (matched[i][k] || !matched[j][k])
				overlaps = overlaps || matched[i][k] && matched[j][k]
			}
			if got := Covers(one, two); got && !covers {
				t.Errorf("%s is said to cover %s", one, two)
			} else if !got && covers {
				missed++
			}
			if got := Overlaps(one, two); got != overlaps {
				t.Errorf("%s and %s overlap: %v, said %v", one, two, overlaps, got)
			}
		}
	}
	if missed > 0 {
		t.Errorf("%d coverings of %d are not seen", missed, len(filters)*len(filters))
	}
}
