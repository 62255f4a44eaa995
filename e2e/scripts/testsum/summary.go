package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of `go test -json`.
type event struct {
	Action  string
	Package string
	Test    string
	Elapsed float64
	Output  string
}

// mostOutput bounds what is kept of one test's output; the end is what matters.
const mostOutput = 64 << 10

// mostUnfinished bounds what is written of a test that did not end.
const mostUnfinished = 8 << 10

// summary collects events and writes failures as they come.
type summary struct {
	out     io.Writer
	outputs map[string]string // package + " " + test -> its output so far
	passed  int
	failed  []string
	skipped []string
	late    map[string][]string // by package: what it said when its time was over, the tests that still ran
}

// mostLate bounds late, in lines.
const mostLate = 40

func newSummary(out io.Writer) *summary {
	return &summary{out: out, outputs: make(map[string]string), late: make(map[string][]string)}
}

// read takes all events. A line that is none, such as a complaint of the go command, is written as it is.
func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) != nil {
				fmt.Fprint(s.out, line)
			} else {
				s.take(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) take(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "output":
		if late := s.late[e.Package]; len(late) > 0 && len(late) < mostLate || strings.HasPrefix(e.Output, "panic: test timed out") {
			s.late[e.Package] = append(late, e.Output)
		}
		kept := s.outputs[key] + e.Output
		s.outputs[key] = kept[max(0, len(kept)-mostOutput):]
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.finished(e)
		} else {
			s.ended(e, key)
		}
		delete(s.outputs, key)
	}
}

// ended notes the end of a test.
func (s *summary) ended(e event, key string) {
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.failed = append(s.failed, key)
		fmt.Fprintf(s.out, "--- %s\n%s", key, s.outputs[key])
	case "skip":
		s.skipped = append(s.skipped, key+": "+reason(s.outputs[key]))
	}
}

// finished notes the end of a package, which may fail by itself: it does not build, panics, or takes too long.
func (s *summary) finished(e event) {
	switch e.Action {
	case "pass":
		fmt.Fprintf(s.out, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
	case "fail":
		for _, line := range s.late[e.Package] {
			fmt.Fprint(s.out, line)
		}
		s.unfinished(e.Package)
		fmt.Fprintf(s.out, "%sFAIL  %s  %.1fs\n", s.outputs[e.Package+" "], e.Package, e.Elapsed)
		if !slices.ContainsFunc(s.failed, func(f string) bool { return strings.HasPrefix(f, e.Package+" ") }) {
			s.failed = append(s.failed, e.Package)
		}
	}
}

// unfinished writes what the tests of a package said that has ended without them: a panic is told in one's output.
func (s *summary) unfinished(pkg string) {
	for _, key := range slices.Sorted(maps.Keys(s.outputs)) {
		if name, ok := strings.CutPrefix(key, pkg+" "); ok && name != "" {
			fmt.Fprintf(s.out, "--- %s did not end\n%s", key, s.outputs[key][max(0, len(s.outputs[key])-mostUnfinished):])
			delete(s.outputs, key)
		}
	}
}

// raceless takes the tests that want to be run without the race detector out of the skipped ones. It returns their top
// level names and their packages, each once.
func (s *summary) raceless() (tests, packages []string) {
	s.skipped = slices.DeleteFunc(s.skipped, func(one string) bool {
		if !strings.Contains(one, "without -race") && !strings.Contains(one, "without the race detector") {
			return false
		}
		pkg, rest, _ := strings.Cut(one, " ")
		name, _, _ := strings.Cut(rest, ": ")
		name, _, _ = strings.Cut(name, "/")
		if !slices.Contains(tests, name) {
			tests = append(tests, name)
		}
		if !slices.Contains(packages, pkg) {
			packages = append(packages, pkg)
		}
		return true
	})
	return tests, packages
}

// reason is the text of t.Skip, which the testing package writes between its own lines.
func reason(output string) string {
	var kept []string
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, " ")
}

// close writes the end of the report and returns whether all is well. The last line is in the form that test runners close with.
func (s *summary) close(skipsFail bool) bool {
	for _, one := range s.skipped {
		fmt.Fprintln(s.out, "skip ", one)
	}
	for _, one := range s.failed {
		fmt.Fprintln(s.out, "fail ", one)
	}
	ok := len(s.failed) == 0
	if skipsFail && len(s.skipped) > 0 {
		fmt.Fprintln(s.out, "REQUIRE_REAL=1: a skipped test is a failure")
		ok = false
	}
	if s.passed == 0 {
		fmt.Fprintln(s.out, "no test passed")
		ok = false
	}
	fmt.Fprintf(s.out, "%d passed, %d failed, %d skipped\n", s.passed, len(s.failed), len(s.skipped))
	return ok
}
