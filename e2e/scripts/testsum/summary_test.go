package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
)

// events is what `go test -json` writes about one package, shortened.
const (
	onePass = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0}
{"Action":"pass","Package":"p","Elapsed":0.1}
`
	oneSkip = `{"Action":"output","Package":"p","Test":"TestS","Output":"=== RUN   TestS\n"}
{"Action":"output","Package":"p","Test":"TestS","Output":"    s_test.go:3: no java\n"}
{"Action":"output","Package":"p","Test":"TestS","Output":"--- SKIP: TestS (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestS","Elapsed":0}
`
	oneFail = `{"Action":"output","Package":"q","Test":"TestF","Output":"    f_test.go:9: wrong\n"}
{"Action":"fail","Package":"q","Test":"TestF","Elapsed":0}
{"Action":"fail","Package":"q","Elapsed":0.2}
`
	crash = `{"Action":"output","Package":"r","Output":"panic: oh\n"}
{"Action":"fail","Package":"r","Elapsed":0.2}
`
	crashInTest = `{"Action":"output","Package":"r","Test":"TestC","Output":"fatal error: oh\n"}
{"Action":"fail","Package":"r","Elapsed":0.2}
`
	late = `{"Action":"output","Package":"r","Test":"TestL","Output":"panic: test timed out after 1s\n"}
{"Action":"output","Package":"r","Test":"TestL","Output":"\trunning tests: TestL (1s)\n"}
{"Action":"fail","Package":"r","Elapsed":1}
`
	noBuild = `{"ImportPath":"b","Action":"build-output","Output":"b.go:1: syntax error\n"}
{"ImportPath":"b","Action":"build-fail"}
{"Action":"fail","Package":"b","Elapsed":0,"FailedBuild":"b"}
`
	noTests = `{"Action":"output","Package":"n","Output":"?   \tn\t[no test files]\n"}
{"Action":"skip","Package":"n","Elapsed":0}
`
)

func TestSummary(t *testing.T) {
	tests := []struct {
		name, events string
		required, ok bool
		want         []string
	}{
		{"pass", onePass + noTests, true, true, []string{"ok    p  0.1s\n", "\n1 passed, 0 failed, 0 skipped\n"}},
		{"skip", onePass + oneSkip, false, true, []string{"skip  p TestS: s_test.go:3: no java\n", "1 passed, 0 failed, 1 skipped\n"}},
		{"skip where required", onePass + oneSkip, true, false, []string{"a skipped test is a failure", "1 skipped\n"}},
		{"fail", onePass + oneFail, false, false, []string{"f_test.go:9: wrong\n", "fail  q TestF\n", "1 passed, 1 failed, 0 skipped\n"}},
		{"crash", onePass + crash, false, false, []string{"panic: oh\n", "fail  r\n", "1 passed, 1 failed"}},
		{"crash in a test", onePass + crashInTest, false, false, []string{"--- r TestC did not end\nfatal error: oh\n", "fail  r\n"}},
		{"late", onePass + late, false, false, []string{"running tests: TestL (1s)\n", "fail  r\n"}},
		{"no build", onePass + noBuild, false, false, []string{"b.go:1: syntax error\n", "fail  b\n"}},
		{"nothing", noTests, false, false, []string{"no test passed"}},
		{"not events", "go: cannot find module\n" + onePass, false, true, []string{"go: cannot find module\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			s := newSummary(&out)
			if err := s.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			if ok := s.close(tt.required); ok != tt.ok {
				t.Errorf("ok %v, want %v", ok, tt.ok)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the report lacks %q:\n%s", want, out.String())
				}
			}
		})
	}
}

func TestOutputIsBounded(t *testing.T) {
	s := newSummary(new(bytes.Buffer))
	for range 100 {
		s.take(event{Action: "output", Package: "p", Test: "T", Output: strings.Repeat("x", 10_000)})
	}
	if n := len(s.outputs["p T"]); n != mostOutput {
		t.Errorf("%d bytes kept, want %d", n, mostOutput)
	}
}

func TestRaceless(t *testing.T) {
	s := newSummary(io.Discard)
	s.skipped = []string{
		"p TestA/one: a_test.go:1: run without -race", "p TestA/two: a_test.go:1: run without -race",
		"q TestB: b_test.go:2: allocations are counted without the race detector", "q TestC: c_test.go:3: no java",
	}
	tests, packages := s.raceless()
	if fmt.Sprint(tests, packages, s.skipped) != "[TestA TestB] [p q] [q TestC: c_test.go:3: no java]" {
		t.Error(tests, packages, s.skipped)
	}
}
