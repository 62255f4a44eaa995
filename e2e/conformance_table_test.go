package e2e

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The clauses of the two standards, chapters 1 to 6, as ranges.
const (
	ids311 = `1.5.3-1..3 2.2.2-1..2 2.3.1-1..7 3.1.0-1..2 3.1.2-1..24 3.1.3-1..11 3.1.4-1..5 3.2.0-1 3.2.2-1..6 3.3.1-1..12
		3.3.2-1..3 3.3.4-1 3.3.5-1..2 3.6.1-1 3.8.1-1 3.8.3-1..4 3.8.4-1..6 3.9.3-1..2 3.10.1-1 3.10.3-1..2 3.10.4-1..6 3.12.4-1
		3.14.1-1 3.14.4-1..3 4.1.0-1..2 4.3.1-1 4.3.2-1..2 4.3.3-1..2 4.4.0-1 4.5.0-1..2 4.6.0-1..6 4.7.1-1..3 4.7.2-1 4.7.3-1..4
		4.8.0-1..2 6.0.0-1..4`
	ids5 = `1.5.4-1..3 1.5.5-1 1.5.7-1 2.1.3-1 2.2.1-2..6 2.2.2-1 3.1.0-1..2 3.1.2-1..30 3.1.3-1..12 3.1.4-1..6 3.2.0-1..2
		3.2.2-1..22 3.3.1-1..13 3.3.2-1..20 3.3.4-1..10 3.4.2-1..3 3.5.2-1..3 3.6.1-1 3.6.2-1..3 3.7.2-1..3 3.8.1-1 3.8.3-1..5
		3.8.4-1..8 3.9.2-1..2 3.9.3-1..2 3.10.1-1 3.10.3-1..2 3.10.4-1..6 3.11.2-1..2 3.11.3-1..2 3.12.4-1 3.14.0-1 3.14.1-1
		3.14.2-1..4 3.14.4-1..3 3.15.1-1 3.15.2-1..3 4.1.0-1..2 4.2-1 4.3.1-1 4.3.2-1..5 4.3.3-1..13 4.4.0-1..2 4.5.0-1..2 4.6.0-1..6
		4.7.0-1 4.7.1-1..2 4.7.2-1 4.7.3-1..4 4.8.2-1..6 4.9.0-1..3 4.12.0-1..7 4.12.1-1..2 4.13.1-1 4.13.2-1 6.0.0-1..4`
)

// expand makes single ids of ranges.
func expand(t *testing.T, ranges string) []string {
	t.Helper()
	var list []string
	for _, r := range strings.Fields(ranges) {
		section, numbers, _ := strings.Cut(r, "-")
		first, last := 0, 0
		if n, _ := fmt.Sscanf(numbers, "%d..%d", &first, &last); n == 1 {
			last = first
		} else if n != 2 {
			t.Fatalf("range %q", r)
		}
		for n := first; n <= last; n++ {
			list = append(list, fmt.Sprintf("%s-%d", section, n))
		}
	}
	return list
}

// TestConformanceTable compares CONFORMANCE.md with the standards' clauses, the tests and the files.
func TestConformanceTable(t *testing.T) {
	text, err := os.ReadFile("../adapter/client/CONFORMANCE.md")
	must(t, err)
	tests := testNames(t)
	for _, part := range []struct {
		title, ids string
		clauses    []clause
	}{{"## MQTT 3.1.1", ids311, clauses311()}, {"## MQTT 5.0", ids5, clauses5()}} {
		t.Run(part.title[3:], func(t *testing.T) {
			_, section, found := strings.Cut(string(text), part.title+"\n")
			if !found {
				t.Fatalf("no section %q", part.title)
			}
			section, _, _ = strings.Cut(section, "\n## ")
			checkSection(t, section, expand(t, part.ids), part.clauses, tests)
		})
	}
}

var (
	quoted     = regexp.MustCompile("`([^`]+)`")
	clientOnly = regexp.MustCompile(`(?m)^Client only: (.*)\.$`)
)

func checkSection(t *testing.T, section string, ids []string, clauses []clause, tests map[string]bool) {
	known := map[string]bool{}
	for _, c := range clauses {
		if known[c.id] {
			t.Errorf("%s is shown twice", c.id)
		}
		known[c.id] = true
		if !slices.Contains(ids, strings.TrimPrefix(c.id, "MQTT-")) {
			t.Errorf("%s is no clause", c.id)
		}
	}
	var listed []string
	named := map[string]bool{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 || !strings.Contains(cells[0], ".") {
			continue
		}
		id := strings.TrimSpace(cells[0])
		listed = append(listed, id)
		checkFiles(t, id, cells[2])
		shown := false
		for _, m := range quoted.FindAllStringSubmatch(cells[3], -1) {
			name := m[1]
			named[name] = true
			switch {
			case name == "inspect":
			case known[name], tests[name]:
				shown = true
			default:
				t.Errorf("%s: there is no test %s", id, name)
			}
		}
		if !shown {
			t.Errorf("%s: no test", id)
		}
	}
	if m := clientOnly.FindStringSubmatch(section); m != nil {
		listed = append(listed, strings.Split(m[1], ", ")...)
	}
	slices.Sort(listed)
	slices.Sort(ids)
	if diff := difference(ids, listed); diff != "" {
		t.Error(diff)
	}
	for _, c := range clauses {
		if !named[c.id] {
			t.Errorf("the table does not name the test %s", c.id)
		}
	}
}

// checkFiles: what the table says of where something is kept exists.
func checkFiles(t *testing.T, id, cell string) {
	t.Helper()
	files := quoted.FindAllStringSubmatch(cell, -1)
	if len(files) == 0 {
		t.Errorf("%s: kept nowhere", id)
	}
	for _, m := range files {
		path := filepath.Join("..", "adapter", m[1])
		if strings.HasPrefix(m[1], "meta/") {
			path = filepath.Join("..", m[1])
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// testNames are the tests of this package.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	must(t, err)
	names := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		must(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				names[f.Name.Name] = true
			}
		}
	}
	return names
}
