package parts

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// MQTTJS returns a command that runs a script of e2e/mqttjs with Node, where `import mqtt from "mqtt"` finds the MQTT.js
// that package-lock.json there pins. The caller starts it; it ends with the test at the latest.
func MQTTJS(t T, script string, args ...string) *exec.Cmd {
	t.Helper()
	needPackage(t, "node", "nodejs")
	from, err := source("mqttjs")
	if err != nil {
		t.Fatalf("find MQTT.js: %v", err)
	}
	modules := nodeModules(t, from)
	// A script finds modules beside itself and above, so it runs from a folder that has both.
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatalf("link MQTT.js: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(from, script))
	if err != nil {
		t.Fatalf("read script: %v", err)
	}
	file := filepath.Join(dir, filepath.Base(script))
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatalf("copy script: %v", err)
	}
	cmd := exec.Command("node", append([]string{file}, args...)...)
	ends(t, cmd)
	return cmd
}

// MQTTJSBundle returns the file that browsers load MQTT.js from.
func MQTTJSBundle(t T) string {
	t.Helper()
	needPackage(t, "node", "nodejs")
	from, err := source("mqttjs")
	if err != nil {
		t.Fatalf("find MQTT.js: %v", err)
	}
	return filepath.Join(nodeModules(t, from), "mqtt", "dist", "mqtt.min.js")
}

// nodeModules returns the installed modules of a folder with package.json and package-lock.json. They are cached under the
// lock's hash, so that another lock is another installation.
func nodeModules(t T, from string) string {
	t.Helper()
	lock, err := os.ReadFile(filepath.Join(from, "package-lock.json"))
	if err != nil {
		t.Fatalf("read package lock: %v", err)
	}
	cache, err := cacheDir()
	if err != nil {
		t.Fatalf("find MQTT.js: %v", err)
	}
	name := filepath.Join("mqttjs", fmt.Sprintf("%x", sha256.Sum256(lock))[:16])
	if !present(filepath.Join(cache, name)) {
		if !Required() {
			missing(t, "MQTT.js is not in %s; get it with: REQUIRE_REAL=1 make test (needs npm)", filepath.Join(cache, name))
		}
		needPackage(t, "npm", "npm")
	}
	dir, err := fetch(name, func(dir string) error {
		for _, file := range []string{"package.json", "package-lock.json"} {
			text, err := os.ReadFile(filepath.Join(from, file))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, file), text, 0o644); err != nil {
				return err
			}
		}
		return run(dir, "npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund")
	})
	if err != nil {
		t.Fatalf("install MQTT.js: %v", err)
	}
	return filepath.Join(dir, "node_modules")
}
