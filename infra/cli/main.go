// Package cli is the command line: without a command it runs the gateway, `sub` and `pub` are a small MQTT 5 client to
// try one with.
package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"lmqgate/infra/config"
	"lmqgate/infra/telemetry"
)

// Exit statuses.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2 // wrong command, flag or environment: nothing was started
)

const usage = `lmqgate is an MQTT gateway for Apache RocketMQ light message queues.

usage:
  lmqgate                        run the gateway; it is configured by the environment only
  lmqgate sub FILTER...          print messages as "topic payload" lines
  lmqgate pub TOPIC [PAYLOAD|-]  publish one message; - reads the payload from standard input
  lmqgate scram USER             make a line for AUTH_SCRAM_USERS of a password on standard input
  lmqgate doctor                 check environment, Redis and RocketMQ, and say what to do
  lmqgate migrate [CLIENT-ID...] take sessions over from Apache RocketMQ MQTT (Java); plans first
  lmqgate clients [PATTERN]      list clients and sessions
  lmqgate client ID              show one: session, subscriptions, lag, in flight, will
  lmqgate kick ID                disconnect one, or end its session
  lmqgate subscribe ID FILTER    subscribe one on its behalf; unsubscribe ends a subscription
  lmqgate topics                 sum up subscriptions by first level
  lmqgate filters [PATTERN]      list topic filters and their subscribers
  lmqgate retained [FILTER]      list, show and delete retained messages
  lmqgate instances              list the instances of the gateway
  lmqgate version
  lmqgate help

clients to instances look into the Redis that the gateways share: set REDIS_URL as for them. Each command has --help.
`

// errUsage marks an error whose text was already printed together with a command's usage.
var errUsage = errors.New("usage")

// streams are a command's surroundings.
type streams struct {
	environ []string
	in      io.Reader
	out     io.Writer
	err     io.Writer
}

// Main runs the command of args, which leave out the program's name, and returns the exit status: 0, 1 after a failure,
// 2 after a wrong command line or environment, 3 where migrate refuses. Cancelling ctx ends any command in order. environ is as os.Environ
// gives it; run is the gateway. Standard input is read only by `pub TOPIC -` and `scram`.
func Main(ctx context.Context, args, environ []string, stdout, stderr io.Writer, run func(context.Context, config.Config) error) int {
	s := streams{environ: environ, in: os.Stdin, out: stdout, err: stderr}
	if len(args) == 0 {
		return s.gateway(ctx, run)
	}
	switch args[0] {
	case "sub":
		return s.exit(s.sub(ctx, args[1:]))
	case "pub":
		return s.exit(s.pub(ctx, args[1:]))
	case "scram":
		return s.exit(s.scram(args[1:]))
	case "doctor":
		return s.exit(s.doctor(ctx, args[1:]))
	case "migrate":
		return s.exit(s.migrate(ctx, args[1:]))
	case "version", "-version", "--version":
		fmt.Fprintln(stdout, telemetry.ReadBuild())
		return exitOK
	case "help", "-h", "-help", "--help":
		fmt.Fprint(stdout, usage)
		return exitOK
	}
	if run, ok := adminCommands()[args[0]]; ok {
		return s.exit(run(s.admin(args[0]), ctx, args[1:]))
	}
	fmt.Fprintf(stderr, "lmqgate: unknown command %q\n\n%s", args[0], usage)
	return exitUsage
}

// gateway loads the configuration and runs the gateway with it.
func (s streams) gateway(ctx context.Context, run func(context.Context, config.Config) error) int {
	cfg, err := config.Load(s.environ)
	if err != nil {
		fmt.Fprintf(s.err, "lmqgate: the environment cannot be used:\n%v\n", err)
		return exitUsage
	}
	return s.exit(run(ctx, cfg))
}

// exit prints the error of a command, if it was not printed before, and returns its exit status.
func (s streams) exit(err error) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errUnwell):
		return exitError
	}
	fmt.Fprintln(s.err, "lmqgate:", err)
	if errors.Is(err, errRefused) {
		return exitRefused
	}
	return exitError
}
