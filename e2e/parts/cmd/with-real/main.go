// Command with-real runs a command beside a real Redis, a real Redis Cluster and a real RocketMQ, and stops them after it:
//
//	go run ./e2e/parts/cmd/with-real go test ./...
//
// The command finds them in its environment: LMQGATE_TEST_REDIS (redis://host:port), LMQGATE_TEST_REDIS_CLUSTER
// (host:port,host:port,host:port) and LMQGATE_TEST_NAMESRV (host:port). What the machine does not have is left out and
// said; with REQUIRE_REAL=1 it is installed, or with-real fails. The exit status is the command's.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"lmqgate/e2e/parts"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: with-real COMMAND [ARGUMENT...]")
		os.Exit(2)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	os.Exit(run(os.Args[1:], stop))
}

// run starts what there is, runs the command and stops everything. A signal on stop ends the command first.
func run(command []string, stop <-chan os.Signal) (status int) {
	var servers sessions
	defer func() {
		if !servers.end() {
			status = 1
		}
	}()
	environ, err := servers.start(stop)
	if err != nil {
		fmt.Fprintln(os.Stderr, "with-real:", err)
		return 1
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), environ...)
	status, err = parts.RunGroup(cmd, stop)
	if err != nil {
		fmt.Fprintln(os.Stderr, "with-real:", err)
	}
	return status
}

// part is one server and the variable that it fills.
type part struct {
	name, variable string
	start          func(parts.T) string
}

func all() []part {
	return []part{
		{"Redis", "LMQGATE_TEST_REDIS", func(t parts.T) string { return parts.Redis(t, parts.RedisOptions{AOF: true}).URL }},
		{"Redis Cluster", "LMQGATE_TEST_REDIS_CLUSTER", func(t parts.T) string { return strings.Join(parts.RedisCluster(t).Addrs, ",") }},
		{"RocketMQ " + parts.RocketMQVersion, "LMQGATE_TEST_NAMESRV", func(t parts.T) string { return parts.RocketMQ(t, parts.RocketMQOptions{}).Addr }},
	}
}

var errStopped = errors.New("stopped by a signal")

// start starts all parts at the same time and returns the variables of those that run.
func (s *sessions) start(stop <-chan os.Signal) ([]string, error) {
	type outcome struct {
		part
		value, skipped string
		failed         error
	}
	results := make(chan outcome)
	for _, p := range all() {
		one := s.add(p.name)
		go func() {
			o := outcome{part: p}
			o.skipped, o.failed = one.run(func() { o.value = p.start(one) })
			results <- o
		}()
	}
	var environ []string
	var failed error
	for range all() {
		var o outcome
		select {
		case o = <-results:
		case <-stop:
			return nil, errStopped
		}
		switch {
		case o.failed != nil:
			failed = errors.Join(failed, fmt.Errorf("%s: %w", o.name, o.failed))
		case o.skipped != "":
			fmt.Fprintf(os.Stderr, "with-real: without %s: %s\n", o.name, o.skipped)
		default:
			fmt.Fprintf(os.Stderr, "with-real: %s at %s\n", o.name, o.value)
			environ = append(environ, o.variable+"="+o.value)
		}
	}
	return environ, failed
}
