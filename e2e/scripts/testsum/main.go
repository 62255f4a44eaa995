// Command testsum runs `go test` with its arguments and says what matters: failures with their output, every skipped test
// with its reason, and a count. With REQUIRE_REAL=1 a skipped test counts as a failure: there everything can be had.
//
// A test that skips because the race detector is on, and says so with "without -race" or "without the race detector", is
// run again without it.
//
//	testsum -race ./...
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
)

func main() {
	s := newSummary(os.Stdout)
	good := run(s, os.Args[1:])
	if tests, packages := s.raceless(); len(packages) > 0 {
		args := []string{"-run", "^(" + strings.Join(tests, "|") + ")$"}
		for _, a := range os.Args[1:] {
			if a == "-count=1" {
				args = append(args, a)
			}
		}
		fmt.Println("without the race detector:", strings.Join(tests, " "))
		good = run(s, append(args, packages...)) && good
	}
	if !s.close(os.Getenv("REQUIRE_REAL") == "1") || !good {
		os.Exit(1)
	}
}

// run runs `go test` and adds what it says to the summary.
func run(s *summary, args []string) bool {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		return false
	}
	if err := s.read(pipe); err != nil {
		fmt.Fprintln(os.Stderr, "testsum: read go test:", err)
		_ = cmd.Wait()
		return false
	}
	return cmd.Wait() == nil
}
