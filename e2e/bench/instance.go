package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// instance is one running gateway.
type instance struct {
	cmd  *exec.Cmd
	http string // host:port
	tcp  string
	ops  string // metrics and profiles
	log  *os.File
}

// ports finds free loopback ports.
func ports(n int) ([]int, error) {
	var list []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		list = append(list, l.Addr().(*net.TCPAddr).Port)
	}
	return list, nil
}

// begin starts an instance without waiting for it; env are further variables of it.
func (b *bench) begin(prefix string, embedded bool, env ...string) (*instance, error) {
	p, err := ports(3)
	if err != nil {
		return nil, err
	}
	i := &instance{http: "127.0.0.1:" + strconv.Itoa(p[0]), tcp: "127.0.0.1:" + strconv.Itoa(p[1]), ops: "127.0.0.1:" + strconv.Itoa(p[2])}
	if i.log, err = os.CreateTemp("", "lmqgate-bench-*.log"); err != nil {
		return nil, err
	}
	i.cmd = exec.Command(b.bin)
	i.cmd.Env = []string{
		"PORT=" + strconv.Itoa(p[0]), "BIND_ADDR=127.0.0.1", "MQTT_TCP_ADDR=" + i.tcp, "METRICS_ADDR=" + i.ops,
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LOG_LEVEL=warn", "TAKEOVER_BURST=0",
	}
	if !embedded {
		i.cmd.Env = append(i.cmd.Env, "REDIS_URL="+b.redis, "NAMESRV_ADDR="+b.namesrv, "AUTH=anonymous", "REDIS_PREFIX="+prefix)
	}
	i.cmd.Env = append(append(i.cmd.Env, profileEnv()...), env...)
	i.cmd.Stdout, i.cmd.Stderr = i.log, i.log
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return i, i.cmd.Start()
}

// profileEnv passes Go's own switches on.
func profileEnv() (env []string) {
	for _, e := range os.Environ() {
		if strings.HasPrefix(e, "GO") {
			env = append(env, e)
		}
	}
	return env
}

// run starts an instance and waits until it is ready.
func (b *bench) run(prefix string, env ...string) (*instance, error) {
	i, err := b.begin(prefix, false, env...)
	if err != nil {
		return nil, err
	}
	for range 600 {
		if r, err := http.Get("http://" + i.http + "/health/ready"); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return i, nil
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil, fmt.Errorf("gateway is not ready:\n%s", i.end())
}

// end kills the instance and returns what it logged.
func (i *instance) end() string {
	out, _ := os.ReadFile(i.log.Name())
	i.kill()
	return string(out)
}

func (i *instance) kill() {
	if i.cmd.ProcessState != nil {
		return
	}
	_ = i.cmd.Process.Kill()
	_ = i.cmd.Wait()
	i.log.Close()
	os.Remove(i.log.Name())
}

// cpu is the processor time used so far.
func (i *instance) cpu() time.Duration {
	f := i.proc("stat")
	f = f[strings.LastIndexByte(f, ')')+2:]
	fields := strings.Fields(f)
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	sys, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+sys) * 10 * time.Millisecond
}

// resident is the resident memory, bytes.
func (i *instance) resident() int64 { return i.memory("VmRSS:") }

// peak is the most that was ever resident, bytes.
func (i *instance) peak() int64 { return i.memory("VmHWM:") }

func (i *instance) memory(field string) int64 {
	for line := range strings.Lines(i.proc("status")) {
		if v, ok := strings.CutPrefix(line, field); ok {
			kb, _ := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			return kb << 10
		}
	}
	return 0
}

func (i *instance) proc(file string) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", i.cmd.Process.Pid, file))
	return string(b)
}

// profile keeps a CPU profile of the instance while run runs, and its heap and goroutines after it, where -profile says.
func (b *bench) profile(g *instance, name string, run func()) {
	if b.profiles == "" {
		run()
		return
	}
	done := make(chan error, 1)
	go func() {
		done <- b.fetch(g, "profile?seconds="+strconv.Itoa(max(1, int(b.seconds.Seconds()))), name+".cpu")
	}()
	run()
	err := <-done
	if err == nil {
		err = b.fetch(g, "heap", name+".heap")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: profile:", err)
	}
}

func (b *bench) fetch(g *instance, what, name string) error {
	r, err := http.Get("http://" + g.ops + "/debug/pprof/" + what)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	f, err := os.Create(filepath.Join(b.profiles, name))
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(f, r.Body)
	return err
}
