package e2e

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binaries are built once per run, on first use, into a directory of their own.
var binaries = struct {
	dir         string
	race, plain func() (string, error)
}{}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lmqgate-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	binaries.dir = dir
	binaries.plain = sync.OnceValues(func() (string, error) { return build("lmqgate") })
	binaries.race = sync.OnceValues(buildRace)
	flag.Parse()
	if !isSet("test.parallel") { // parallel tests of this package wait more than they work
		_ = flag.Set("test.parallel", "8")
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func isSet(name string) bool {
	found := false
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// buildRace builds with the race detector; a machine without a C compiler gets the plain binary.
func buildRace() (string, error) {
	if path, err := build("lmqgate-race", "-race"); err == nil {
		return path, nil
	}
	return binaries.plain()
}

func build(name string, flags ...string) (string, error) {
	return buildPackage(name, "lmqgate", flags...)
}

func buildPackage(name, pkg string, flags ...string) (string, error) {
	path := filepath.Join(binaries.dir, name)
	cmd := exec.Command("go", append(append([]string{"build", "-o", path}, flags...), pkg)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("build %s: %w", pkg, err), errors.New(string(out)))
	}
	return path, nil
}

// scale chooses a size: for -short, for every day, and for LMQGATE_TEST_LONG=1.
func scale[T any](short, normal, long T) T {
	switch {
	case isLong():
		return long
	case testing.Short():
		return short
	}
	return normal
}

func isLong() bool { return os.Getenv("LMQGATE_TEST_LONG") == "1" }
