package doctor

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"lmqgate/infra/config"
)

// Config is what is to be examined.
type Config struct {
	// Environment is what the gateway would be configured by, as os.Environ gives it.
	Environment []string
	// NoWrites leaves out what writes: scratch keys in Redis and a message through each broker, whose topic is made if
	// TOPIC_AUTO_CREATE allows it, as the gateway makes it at its start.
	NoWrites bool
	// Now is the clock that others are compared with; nil is time.Now.
	Now func() time.Time
	// Logger gets what the clients of Redis and RocketMQ log; nil: nobody.
	Logger *slog.Logger
}

// Examine asks all questions, the servers side by side. It returns soon after ctx ends, and says then what it did not
// learn. wrong are the problems of the environment, which are findings too: with them the gateway would not start.
func Examine(ctx context.Context, c Config) (report *Report, wrong config.Problems) {
	began := time.Now()
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	cfg, wrong := config.Inspect(c.Environment)
	report = &Report{Findings: []Finding{}}
	report.add(environment(surroundings{Config: cfg, wrong: wrong, set: toSet(c.Environment), now: c.Now})...)

	var redis, rocket []Finding
	var parts sync.WaitGroup
	if !cfg.EmbeddedRedis && usable(wrong, redisVars) {
		parts.Go(func() { redis = examineRedis(ctx, c, &cfg) })
	}
	switch {
	case !cfg.EmbeddedRocketMQ && usable(wrong, rocketVars):
		parts.Go(func() { rocket = examineRocket(ctx, c, &cfg) })
	case cfg.EmbeddedRedis && cfg.EmbeddedRocketMQ && !c.NoWrites:
		parts.Go(func() { rocket = examineEmbedded(ctx, c) })
	}
	parts.Wait()
	report.add(redis...)
	report.add(rocket...)
	report.Took = time.Since(began)
	report.TookMS = report.Took.Milliseconds()
	return report, wrong
}

// Servers examines Redis and RocketMQ, those that are not embedded, and writes nothing. It is what the gateway looks at after
// its start.
func Servers(ctx context.Context, cfg config.Config, log *slog.Logger) []Finding {
	c := Config{NoWrites: true, Now: time.Now, Logger: log}
	var redis, rocket []Finding
	var parts sync.WaitGroup
	if !cfg.EmbeddedRedis {
		parts.Go(func() { redis = examineRedis(ctx, c, &cfg) })
	}
	if !cfg.EmbeddedRocketMQ {
		parts.Go(func() { rocket = examineRocket(ctx, c, &cfg) })
	}
	parts.Wait()
	return append(redis, rocket...)
}

// Combinations examines what variables that can be used mean together. It is what the gateway says at its start, beside the
// configuration's own warnings; environ is what the configuration was made of.
func Combinations(cfg config.Config, environ []string) []Finding {
	return combinations(surroundings{Config: cfg, set: toSet(environ), now: time.Now})
}

// Variables that say where the servers are: with a problem in one of them nothing can be asked.
var (
	redisVars  = []string{"REDIS_URL", "REDIS_CLUSTER", "REDIS_SENTINEL_MASTER", "REDIS_CA_FILE", "REDIS_PREFIX"}
	rocketVars = []string{
		"NAMESRV_ADDR", "ROCKETMQ_ACCESS_KEY", "ROCKETMQ_SECRET_KEY", "ROCKETMQ_TLS", "ROCKETMQ_CA_FILE",
		"ROCKETMQ_CERT_FILE", "ROCKETMQ_KEY_FILE", "ROCKETMQ_TLS_SERVER_NAME", "ROCKETMQ_PRODUCER",
	}
)

// usable tells whether none of the variables has a problem.
func usable(wrong config.Problems, names []string) bool {
	for _, p := range wrong {
		for _, name := range names {
			if p.Var == name {
				return false
			}
		}
	}
	return true
}
