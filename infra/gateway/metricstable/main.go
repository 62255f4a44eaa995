// Command metricstable writes METRICS.md: every metric of a gateway, as it registers them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"lmqgate/infra/config"
	"lmqgate/infra/gateway"
	"lmqgate/infra/telemetry"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: metricstable METRICS.md")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "metricstable:", err)
		os.Exit(1)
	}
}

// write runs an embedded gateway with everything switched on for a moment.
func write(file string) error {
	cfg, err := config.Load(gateway.Everything)
	if err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	g, err := gateway.New(cfg, gateway.Options{})
	if err != nil {
		return err
	}
	err = g.Start(ctx)
	metrics := g.Metrics()
	if err = errors.Join(err, g.Stop(ctx)); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(telemetry.Document(metrics)), 0o644); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}
