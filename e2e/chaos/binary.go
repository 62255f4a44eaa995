package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// Binary builds the gateway into dir on first use, with the race detector where the machine has a C compiler.
func Binary(dir string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		path := filepath.Join(dir, "lmqgate")
		if exec.Command("go", "build", "-race", "-o", path, "lmqgate").Run() == nil {
			return path, nil
		}
		if out, err := exec.Command("go", "build", "-o", path, "lmqgate").CombinedOutput(); err != nil {
			return "", fmt.Errorf("build lmqgate: %w\n%s", err, out)
		}
		return path, nil
	})
}

// shared is the binary of all worlds of a process that do not name one.
var shared = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "lmqgate-chaos-")
	if err != nil {
		return "", err
	}
	sharedDir = dir
	return Binary(dir)()
})

var sharedDir string

// Clean removes what worlds have shared. TestMain calls it last.
func Clean() {
	if sharedDir != "" {
		_ = os.RemoveAll(sharedDir)
	}
}
