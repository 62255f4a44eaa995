// Command lmqgate is a gateway that lets MQTT clients speak over WebSocket and TCP to Apache RocketMQ.
//
// Without arguments it runs the gateway, configured by the environment; `lmqgate help` lists the commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"lmqgate/infra/cli"
	"lmqgate/infra/config"
	"lmqgate/infra/gateway"
)

func main() {
	stop, hurry := interrupts()
	run := func(ctx context.Context, cfg config.Config) error { return gateway.Run(ctx, hurry, cfg) }
	os.Exit(cli.Main(stop, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, run))
}

// interrupts returns contexts that end with the first and with the second signal to stop; a third one kills the process.
func interrupts() (first, second context.Context) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	first, stop := context.WithCancel(context.Background())
	second, hurry := context.WithCancel(context.Background())
	go func() {
		<-signals
		stop()
		<-signals
		hurry()
		signal.Stop(signals)
	}()
	return first, second
}
