package parts

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Python returns a command that runs a script of the repository's e2e folder with Python, where the packages that
// requirements.txt beside the script pins can be imported. The caller starts it; it ends with the test at the latest.
func Python(t T, folder, script string, args ...string) *exec.Cmd {
	t.Helper()
	needPackage(t, "python3", "python3")
	from, err := source(folder)
	if err != nil {
		t.Fatalf("find %s: %v", folder, err)
	}
	packages := pythonPackages(t, folder, filepath.Join(from, "requirements.txt"))
	cmd := exec.Command("python3", append([]string{filepath.Join(from, script)}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+packages, "PYTHONDONTWRITEBYTECODE=1")
	ends(t, cmd)
	return cmd
}

// pythonPackages returns the folder with the installed requirements, cached under their hash.
func pythonPackages(t T, name, requirements string) string {
	t.Helper()
	text, err := os.ReadFile(requirements)
	if err != nil {
		t.Fatalf("read requirements: %v", err)
	}
	cache, err := cacheDir()
	if err != nil {
		t.Fatalf("find python packages: %v", err)
	}
	name = filepath.Join(name, fmt.Sprintf("%x", sha256.Sum256(text))[:16])
	if !present(filepath.Join(cache, name)) && !Required() {
		missing(t, "the packages of %s are not in %s; get them with: REQUIRE_REAL=1 make test (needs pip)",
			filepath.Base(requirements), filepath.Join(cache, name))
	}
	dir, err := fetch(name, func(dir string) error {
		if run("", "python3", "-m", "pip", "--version") != nil {
			if err := locked("apt", func() error { return install("python3-pip") }); err != nil {
				return err
			}
		}
		return run("", "python3", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile",
			"--target", dir, "-r", requirements)
	})
	if err != nil {
		t.Fatalf("install python packages: %v", err)
	}
	return dir
}
