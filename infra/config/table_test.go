package config

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTableHasEveryVariable(t *testing.T) {
	table := Table()
	for _, v := range vars {
		if !strings.Contains(table, "| `"+v.Name+"` | ") {
			t.Errorf("%s is not in the table", v.Name)
		}
	}
	for line := range strings.Lines(table) {
		if strings.Count(line, "|") != 5 {
			t.Errorf("not four columns: %s", line)
		}
	}
}

func TestRewrite(t *testing.T) {
	before := "# Title\n" + tableBegin + "\nold\n" + tableEnd + "\nafter\n"
	after, err := Rewrite(before)
	if err != nil {
		t.Fatal(err)
	}
	want := "# Title\n" + tableBegin + "\n\n" + Table() + "\n" + tableEnd + "\nafter\n"
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if again, err := Rewrite(after); err != nil || again != after {
		t.Errorf("a second rewrite changes the document (error %v)", err)
	}
	for _, doc := range []string{"", tableBegin, tableEnd + tableBegin} {
		if _, err := Rewrite(doc); !errors.Is(err, ErrNoMarkers) {
			t.Errorf("Rewrite(%q): %v, want ErrNoMarkers", doc, err)
		}
	}
}

// TestReadme fails when the project's README shows an older table; `make generate` writes the current one.
func TestReadme(t *testing.T) {
	doc, err := os.ReadFile("../../README.md")
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	want, err := Rewrite(string(doc))
	if errors.Is(err, ErrNoMarkers) {
		return
	}
	if diff := cmp.Diff(want, string(doc)); diff != "" {
		t.Errorf("the README's table of variables is not current; run make generate (-want +got)\n%s", diff)
	}
}
