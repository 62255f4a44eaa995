package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Times that only a broken machine or a broken gateway exceeds.
const (
	startLimit = 60 * time.Second
	stopLimit  = 20 * time.Second
	soon       = 60 * time.Second // something that is certain to happen
)

// instance is one running gateway process.
type instance struct {
	t      *testing.T
	name   string
	cmd    *exec.Cmd
	log    *logBuffer
	http   string // host:port of HTTP and WebSocket
	tcp    string // host:port of MQTT over TCP
	mortal bool   // it may end by itself
	exited chan struct{}
	err    error // of the process, once exited is closed
}

// launch starts a process with the given environment on free ports and returns when it listens. It need not be ready.
func launch(t *testing.T, name, binary string, env []string) *instance {
	t.Helper()
	i := &instance{t: t, name: name, mortal: slices.ContainsFunc(env, isFailpoint), log: newLogBuffer(), exited: make(chan struct{})}
	i.cmd = exec.Command(binary)
	i.cmd.Env = append(clean(os.Environ()), "PORT=0", "BIND_ADDR=127.0.0.1", "MQTT_TCP_ADDR=127.0.0.1:0", "METRICS_ADDR=main",
		"LOG_FORMAT=json", "DRAIN_TIMEOUT=4s", "TAKEOVER_BURST=0", "GORACE=halt_on_error=0")
	i.cmd.Env = append(i.cmd.Env, env...)
	i.cmd.Stdout, i.cmd.Stderr = i.log, i.log
	i.cmd.SysProcAttr = dieWithParent()
	if err := i.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() { i.err = i.cmd.Wait(); close(i.exited) }()
	t.Cleanup(i.finish)
	select {
	case at := <-i.log.listening:
		i.http, i.tcp = at.HTTP, at.TCP
	case <-i.exited:
		if i.mortal {
			break
		}
		t.Fatalf("%s ended at start: %v\n%s", name, i.err, i.log.tail(40))
	case <-time.After(startLimit):
		t.Fatalf("%s does not listen after %v\n%s", name, startLimit, i.log.tail(40))
	}
	return i
}

func isFailpoint(e string) bool { return strings.HasPrefix(e, "LMQGATE_TEST_FAILPOINT=") }

// clean leaves out what would configure the gateway by accident.
func clean(environ []string) []string {
	var kept []string
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		switch name {
		case "PORT", "REDIS_URL", "NAMESRV_ADDR", "AUTH", "REDIS_PREFIX", "METRICS_ADDR", "K_SERVICE", "LOG_LEVEL", "LMQGATE_URL":
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

// ready waits until the instance says that it can serve clients.
func (i *instance) ready() {
	i.t.Helper()
	eventually(i.t, startLimit, func() error {
		select {
		case <-i.exited:
			return fatal{fmt.Errorf("%s ended: %v", i.name, i.err)}
		default:
		}
		return get("http://"+i.http+"/health/ready", nil)
	})
}

// ws is the address for WebSocket clients.
func (i *instance) ws() string { return "ws://" + i.http + "/mqtt" }

// kill ends the process as a crash does.
func (i *instance) kill() {
	_ = i.cmd.Process.Kill()
	<-i.exited
}

// terminate asks the process to end and returns its exit status.
func (i *instance) terminate() int {
	i.t.Helper()
	_ = i.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-i.exited:
	case <-time.After(stopLimit):
		_ = i.cmd.Process.Signal(syscall.SIGQUIT) // all goroutines into the log
		select {
		case <-i.exited:
		case <-time.After(5 * time.Second):
			i.kill()
		}
		i.t.Errorf("%s does not end %v after SIGTERM; where it hangs:\n%s", i.name, stopLimit, i.log.after("SIGQUIT", 400))
	}
	return i.cmd.ProcessState.ExitCode()
}

func (i *instance) isExited() bool {
	select {
	case <-i.exited:
		return true
	default:
		return false
	}
}

// finish stops the process with the test and looks through its log.
func (i *instance) finish() {
	if !i.isExited() {
		if status := i.terminate(); status != 0 && !i.mortal {
			i.t.Errorf("%s exits with %d after SIGTERM", i.name, status)
		}
	}
	if bad := i.log.trouble(); bad != "" {
		i.t.Errorf("log of %s:\n%s", i.name, bad)
	}
	if i.t.Failed() {
		i.t.Logf("end of the log of %s:\n%s", i.name, i.log.tail(60))
	}
}

// get fetches a page; anything but 200 is an error. The body goes to out if that is not nil.
func get(url string, out *string) error {
	c := http.Client{Timeout: 5 * time.Second}
	res, err := c.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s %s", url, res.Status, body)
	}
	if out != nil {
		*out = string(body)
	}
	return nil
}

// metric is the sum of a metric over its label values that contain all of with.
func (i *instance) metric(name string, with ...string) float64 {
	i.t.Helper()
	var page string
	if err := get("http://"+i.http+"/metrics", &page); err != nil {
		i.t.Fatalf("metrics of %s: %v", i.name, err)
	}
	sum := 0.0
	for _, m := range regexp.MustCompile(`(?m)^`+name+`(\{[^}]*\})? (\S+)$`).FindAllStringSubmatch(page, -1) {
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			i.t.Fatalf("metric %s: %v", name, err)
		}
		if containsAll(m[1], with) {
			sum += v
		}
	}
	return sum
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

// fatal is an error that waiting does not mend.
type fatal struct{ error }

// eventually polls until check returns nil.
func eventually(t testing.TB, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.After(limit)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		var end fatal
		if errors.As(err, &end) {
			t.Fatal(err)
		}
		select {
		case <-deadline:
			t.Fatalf("not after %v: %v", limit, err)
		case <-poll.C:
		}
	}
}
