// Command check judges a saved history again: go run ./e2e/history/cmd/check FILE. It exits with 1 on violations; what
// faults excuse is not known here, so it is listed too.
package main

import (
	"fmt"
	"os"

	"lmqgate/e2e/history"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: check FILE")
		os.Exit(2)
	}
	good, err := judge(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(2)
	}
	if !good {
		os.Exit(1)
	}
}

func judge(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	events, err := history.Read(f)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", path, err)
	}
	v := history.Check(events)
	for _, x := range v.Violations {
		fmt.Println(x)
	}
	fmt.Println(v)
	return len(v.Violations) == 0, nil
}
