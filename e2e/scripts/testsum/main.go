// Command testsum runs `go test` with its arguments and says what matters: failures with their output, every skipped test
// with its reason, and a count. With REQUIRE_REAL=1 a skipped test counts as a failure: there everything can be had.
//
//	testsum -race ./...
package main

import (
	"fmt"
	"os"
	"os/exec"
)

func main() {
	args := append([]string{"test", "-json"}, os.Args[1:]...)
	cmd := exec.Command("go", args...)
	cmd.Stderr = os.Stderr
	pipe, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	s := newSummary(os.Stdout)
	readErr := s.read(pipe)
	waitErr := cmd.Wait()
	ok := s.close(os.Getenv("REQUIRE_REAL") == "1")
	if readErr != nil {
		fmt.Fprintln(os.Stderr, "testsum: read go test:", readErr)
	}
	if waitErr != nil || readErr != nil || !ok {
		os.Exit(1)
	}
}
