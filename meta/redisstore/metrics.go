package redisstore

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// metrics counts round trips and errors. Labels are names of commands and scripts, never of clients or topics.
type metrics struct {
	names    map[string]string // hash or source of a script -> its name
	trips    *prometheus.HistogramVec
	commands *prometheus.CounterVec
	failures *prometheus.CounterVec
}

// newMetrics registers the metrics; several stores on one registerer share them.
func newMetrics(r prometheus.Registerer, all *scripts) (*metrics, error) {
	m := &metrics{
		names: make(map[string]string),
		trips: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "lmqgate_redis_seconds", Help: "Duration of a round trip to Redis, by command, or pipeline for several.",
			Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}, []string{"command"}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lmqgate_redis_commands_total", Help: "Commands and scripts sent to Redis.",
		}, []string{"command"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lmqgate_redis_errors_total", Help: "Commands, scripts and dials that failed.",
		}, []string{"command"}),
	}
	for _, sc := range all.all() {
		m.names[sc.hash], m.names[sc.source] = sc.name, sc.name
	}
	if r == nil {
		return m, nil
	}
	var err error
	if m.trips, err = registered(r, m.trips); err != nil {
		return nil, err
	}
	if m.commands, err = registered(r, m.commands); err != nil {
		return nil, err
	}
	m.failures, err = registered(r, m.failures)
	return m, err
}

// registered registers a collector, or returns the one that is there already.
func registered[C prometheus.Collector](r prometheus.Registerer, c C) (C, error) {
	err := r.Register(c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if same, ok := there.ExistingCollector.(C); ok {
			return same, nil
		}
	}
	return c, err
}

// name is the label of a command: a script's own name, or the command's.
func (m *metrics) name(cmd redis.Cmder) string {
	if args := cmd.Args(); len(args) > 1 && (cmd.Name() == "evalsha" || cmd.Name() == "eval") {
		if key, ok := args[1].(string); ok {
			if name, ok := m.names[key]; ok {
				return name
			}
		}
	}
	return cmd.Name()
}

func (m *metrics) count(cmd redis.Cmder, err error) {
	name := m.name(cmd)
	m.commands.WithLabelValues(name).Inc()
	if err != nil && !errors.Is(err, redis.Nil) && !redis.HasErrorPrefix(err, "NOSCRIPT") {
		m.failures.WithLabelValues(name).Inc()
	}
}

// DialHook counts failed dials.
func (m *metrics) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := next(ctx, network, addr)
		if err != nil {
			m.failures.WithLabelValues("dial").Inc()
		}
		return conn, err
	}
}

// ProcessHook counts single commands.
func (m *metrics) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		start := time.Now()
		err := next(ctx, cmd)
		m.trips.WithLabelValues(m.name(cmd)).Observe(time.Since(start).Seconds())
		m.count(cmd, err) // the command itself gets its error only later
		return err
	}
}

// ProcessPipelineHook counts pipelines and the commands in them.
func (m *metrics) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		start := time.Now()
		err := next(ctx, cmds)
		m.trips.WithLabelValues("pipeline").Observe(time.Since(start).Seconds())
		for _, cmd := range cmds {
			m.count(cmd, cmd.Err())
		}
		return err
	}
}
