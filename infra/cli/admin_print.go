package cli

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// grid is a table for people. Cells are made harmless for terminals, and shortened to their column's width.
type grid struct {
	titles []string
	widths []int // of the columns at most, in characters; 0 = any
	rows   [][]string
	full   bool
}

func (c *adminCommand) grid(full bool, columns ...column) *grid {
	g := &grid{full: full}
	for _, one := range columns {
		g.titles, g.widths = append(g.titles, one.title), append(g.widths, one.width)
	}
	return g
}

// column is one of a grid; width is that of its cells at most, 0 for any.
type column struct {
	title string
	width int
}

func (g *grid) add(cells ...string) {
	for i, cell := range cells {
		if cell = plain(cell); cell == "" {
			cell = "-"
		}
		if !g.full && g.widths[i] > 0 {
			cell = shorten(cell, g.widths[i])
		}
		cells[i] = cell
	}
	g.rows = append(g.rows, cells)
}

// print writes the table without spaces at the ends of lines.
func (g *grid) print(w io.Writer) error {
	most := make([]int, len(g.titles))
	all := append([][]string{g.titles}, g.rows...)
	for _, row := range all {
		for i, cell := range row {
			most[i] = max(most[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range all {
		line := ""
		for i, cell := range row {
			line += cell + strings.Repeat(" ", most[i]-utf8.RuneCountInString(cell)+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// shorten keeps both ends of a text, where ids differ.
func shorten(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	tail := (most - 1) / 3
	return string(r[:most-1-tail]) + "…" + string(r[len(r)-tail:])
}

// printSafeJSON prints JSON whose strings do a terminal no harm: encoding/json leaves some control characters as they are.
func printSafeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := printJSON(&b, v); err != nil {
		return err
	}
	var out strings.Builder
	for _, r := range b.String() {
		switch {
		case r < 0x7f || unicode.IsPrint(r):
			out.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// ago says how far away a moment is: "5s", "3m", "4h05m", "2d01h".
func ago(now time.Time, t *time.Time) string {
	if t == nil {
		return ""
	}
	return span(now.Sub(*t).Abs())
}

func span(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return strconv.Itoa(int(d/time.Second)) + "s"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + "m"
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d/time.Hour), int(d%time.Hour/time.Minute))
	}
	return fmt.Sprintf("%dd%02dh", int(d/(24*time.Hour)), int(d%(24*time.Hour)/time.Hour))
}

// number prints what may be unknown.
func number(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
