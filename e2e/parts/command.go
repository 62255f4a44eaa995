package parts

import (
	"os/exec"
	"syscall"
)

// Mosquitto returns a command of the mosquitto clients, mosquitto_pub or mosquitto_sub. The caller starts it; it ends with
// the test at the latest.
func Mosquitto(t T, command string, args ...string) *exec.Cmd {
	t.Helper()
	needPackage(t, command, "mosquitto-clients")
	cmd := exec.Command("stdbuf", append([]string{"-oL", command}, args...)...) // else lines come when it ends
	ends(t, cmd)
	return cmd
}

// Chromium returns a command that opens a page in a Chromium without a window and with a profile of its own, with more flags. The
// caller starts it; it, and what it starts, ends with the test at the latest.
func Chromium(t T, url string, flags ...string) *exec.Cmd {
	t.Helper()
	needPackage(t, "chromium", "chromium")
	flags = append(flags, "--headless", "--no-sandbox", "--disable-gpu", "--log-level=3", "--disable-dev-shm-usage", "--no-first-run",
		"--disable-extensions", "--disable-background-networking", "--disable-component-update", "--user-data-dir="+t.TempDir(), url)
	cmd := exec.Command("chromium", flags...)
	ends(t, cmd)
	return cmd
}

// Node returns a command that runs Node with arguments in a directory. The caller starts it; it ends with the test at the latest.
func Node(t T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	needPackage(t, "node", "nodejs")
	cmd := exec.Command("node", args...)
	cmd.Dir = dir
	ends(t, cmd)
	return cmd
}

// Curl returns a command of curl that fails where the connection does, and shows no progress. The caller starts it; it ends
// with the test at the latest.
func Curl(t T, args ...string) *exec.Cmd {
	t.Helper()
	needPackage(t, "curl", "curl")
	cmd := exec.Command("curl", append([]string{"--silent", "--show-error", "--noproxy", "*"}, args...)...)
	ends(t, cmd)
	return cmd
}

// ends sees to it that a command, and what it has started, does not outlive the test. Waiting for it is the caller's.
func ends(t T, cmd *exec.Cmd) {
	cmd.SysProcAttr = ownGroup()
	t.Cleanup(func() {
		if cmd.Process != nil {
			_ = signalGroup(cmd.Process, syscall.SIGKILL)
		}
	})
}
