package parts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// cacheDir is where downloads stay between runs: LMQGATE_CACHE, else lmqgate in the user's cache directory.
func cacheDir() (string, error) {
	if dir := os.Getenv("LMQGATE_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	return filepath.Join(dir, "lmqgate"), nil
}

// locked runs f while no other process runs under the same name: packages' tests run side by side, and one download is enough.
func locked(name string, f func() error) error {
	cache, err := cacheDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return fmt.Errorf("make cache directory: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(cache, name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	defer file.Close()
	if err := lock(file); err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return f()
}

// needRedis sees to it that there is a redis-server, or skips the test.
func needRedis(t T) {
	t.Helper()
	needPackage(t, "redis-server", "redis-server")
}

// needPackage sees to it that there is a command, installing the Debian package where real servers are required.
func needPackage(t T, command, pkg string) {
	t.Helper()
	if has(command) {
		return
	}
	if !Required() || !has("apt-get") {
		missing(t, "%s is not installed; on Debian: apt-get install %s", command, pkg)
		return
	}
	err := locked("apt", func() error {
		if has(command) {
			return nil
		}
		return install(pkg)
	})
	if err != nil || !has(command) {
		t.Fatalf("install %s: %v", pkg, err)
	}
}

// install installs a Debian package. Called under the lock "apt".
func install(pkg string) error {
	if err := run("", "apt-get", "update", "-qq"); err != nil {
		return err
	}
	return run("", "apt-get", "install", "-y", "-qq", "--no-install-recommends", pkg)
}

func has(command string) bool {
	_, err := exec.LookPath(command)
	return err == nil
}

// run runs a command without asking questions; its output is in the error.
func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// fetch fills a directory of the cache once: make gets an empty directory, which takes its final name when make is done.
func fetch(name string, make func(dir string) error) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	final := filepath.Join(cache, name)
	if present(final) {
		return final, nil
	}
	err = locked(filepath.Base(filepath.Dir(final))+"-"+filepath.Base(final), func() error {
		if present(final) {
			return nil
		}
		if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
			return fmt.Errorf("make cache directory: %w", err)
		}
		dir, err := os.MkdirTemp(filepath.Dir(final), ".new-")
		if err != nil {
			return fmt.Errorf("make cache directory: %w", err)
		}
		defer os.RemoveAll(dir)
		if err := make(dir); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return fmt.Errorf("fill cache: %w", err)
		}
		return os.Rename(dir, final)
	})
	return final, err
}

func present(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.IsDir()
}

// source returns a directory beside this package in the repository. Tests run in their package's directory, so the module's
// root is found upwards.
func source(elem ...string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(append([]string{dir, "e2e"}, elem...)...), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("find module: no go.mod above the working directory")
		}
		dir = parent
	}
}
