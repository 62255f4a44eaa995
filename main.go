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
	"lmqgate/infra/gateway"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(cli.Main(ctx, os.Args[1:], os.Environ(), os.Stdout, os.Stderr, gateway.Run))
}
