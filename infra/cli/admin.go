package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"lmqgate/adapter/rocketmq"
	"lmqgate/functions/admin"
	"lmqgate/infra/config"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/topic"
)

// adminCommand is a command that looks into the gateways' Redis. All share some flags and the way to print.
type adminCommand struct {
	streams
	name    string
	set     *flag.FlagSet
	json    bool
	full    bool
	timeout time.Duration
	now     func() time.Time
}

// adminCommands lists them by name.
func adminCommands() map[string]func(*adminCommand, context.Context, []string) error {
	return map[string]func(*adminCommand, context.Context, []string) error{
		"clients": (*adminCommand).clients, "client": (*adminCommand).client, "kick": (*adminCommand).kick,
		"topics": (*adminCommand).topics, "filters": (*adminCommand).filters, "retained": (*adminCommand).retained,
		"instances": (*adminCommand).instances, "subscribe": (*adminCommand).subscribe, "unsubscribe": (*adminCommand).unsubscribe,
	}
}

// adminEnvironment is the end of each command's help.
const adminEnvironment = `
It reads the environment of the gateway: REDIS_URL, and if set REDIS_PREFIX, REDIS_CLUSTER, REDIS_SENTINEL_MASTER,
REDIS_CA_FILE. Exit status: 0 done; 1 failed, or what was named does not exist; 2 wrong flags or environment.
`

func (s streams) admin(name string) *adminCommand {
	c := &adminCommand{streams: s, name: name, set: flag.NewFlagSet(name, flag.ContinueOnError), now: time.Now}
	c.set.SetOutput(s.err)
	c.set.BoolVar(&c.json, "json", false, "print JSON, complete, for programs")
	c.set.BoolVar(&c.full, "full", false, "do not shorten what is too long for a column")
	c.set.DurationVar(&c.timeout, "timeout", 30*time.Second, "give up after this time")
	return c
}

// parse reads flags and from least to most other arguments. Help goes to standard output.
func (c *adminCommand) parse(args []string, least, most int, synopsis, text string) ([]string, error) {
	c.set.Usage = func() {
		fmt.Fprintf(c.set.Output(), "usage: lmqgate %s\n\n%s\n", synopsis, text)
		c.set.PrintDefaults()
		fmt.Fprint(c.set.Output(), adminEnvironment)
	}
	if slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" }) {
		c.set.SetOutput(c.out)
	}
	rest, err := interleaved(c.set, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, err
	case err != nil:
		return nil, errUsage
	case len(rest) < least || len(rest) > most:
		return nil, c.wrong("usage: lmqgate %s", synopsis)
	case c.timeout <= 0:
		return nil, c.wrong("--timeout %v: give a duration such as 30s", c.timeout)
	}
	return rest, nil
}

// wrong prints what is wrong with the command line.
func (c *adminCommand) wrong(format string, args ...any) error {
	fmt.Fprintf(c.err, "lmqgate %s: %s (--help tells more)\n", c.name, fmt.Sprintf(format, args...))
	return errUsage
}

// open connects to Redis, and to RocketMQ if lags are wanted and NAMESRV_ADDR is set, and calls fn.
func (c *adminCommand) open(ctx context.Context, lags bool, fn func(context.Context, *admin.Admin) error) error {
	cfg, err := config.LoadStore(c.environ)
	if err != nil {
		fmt.Fprintf(c.err, "lmqgate %s: %v\n", c.name, err)
		return errUsage
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	store, client, err := openRedis(&cfg)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if err := store.Ping(ctx); err != nil {
		return fmt.Errorf("the Redis of REDIS_URL does not answer: %s", plain(err.Error()))
	}
	retained, err := store.Retained(redisstore.RetainConfig{})
	if err != nil {
		return err
	}
	named, err := store.Named(redisstore.NamedConfig{Max: cfg.MaxFilters})
	if err != nil {
		return err
	}
	a := admin.Config{
		Sessions: store, Filters: store, Retained: retained, Status: store.Status(), RocketMQTopic: rocketMQTopic(&cfg),
		Limit: named, MaxSubscriptions: cfg.MaxSubscriptions, NoP2P: !cfg.P2P,
		Name: "admin-" + strings.ToLower(rand.Text()[:10]),
	}
	if lags && !cfg.EmbeddedRocketMQ {
		log, err := rocketmq.New(rocketmq.Config{
			NameServers: cfg.NameServers, AccessKey: cfg.RocketMQAccessKey, SecretKey: cfg.RocketMQSecretKey.Reveal(), TLS: cfg.RocketMQTLSConfig, DirectSend: true,
		})
		if err != nil {
			return err
		}
		defer func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = log.Close(ctx)
		}()
		if err := log.Start(ctx); err != nil {
			return err
		}
		a.Log = adminLog{log}
	}
	err = fn(ctx, admin.New(a))
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("not done within %v, see --timeout: %w", c.timeout, err)
	}
	return err
}

// openRedis makes a store that waits no longer than its callers do.
func openRedis(cfg *config.Config) (*redisstore.Store, redis.UniversalClient, error) {
	o, err := cfg.RedisOptions()
	if err != nil {
		return nil, nil, err
	}
	o.Protocol, o.PoolSize, o.DialerRetries, o.ContextTimeoutEnabled, o.DisableIdentity = 2, 4, 1, true, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	redisstore.RedirectLogs(slog.New(slog.DiscardHandler))
	client := redis.NewUniversalClient(o)
	store, err := redisstore.New(client, redisstore.Config{Prefix: cfg.RedisPrefix})
	if err != nil {
		_ = client.Close()
		return nil, nil, err
	}
	return store, client, nil
}

func rocketMQTopic(cfg *config.Config) func(string) string {
	var allowed func(string) bool
	if len(cfg.FirstTopics) > 0 {
		allowed = func(first string) bool { return slices.Contains(cfg.FirstTopics, first) }
	}
	return func(name string) string { return topic.RocketMQTopic(name, cfg.FallbackTopic, allowed) }
}

// adminLog lets admin ask RocketMQ.
type adminLog struct{ c *rocketmq.Client }

// MaxOffsets implements admin.Log.
func (l adminLog) MaxOffsets(ctx context.Context, queues []admin.Queue) ([]int64, error) {
	asked := make([]rocketmq.LMQ, len(queues))
	for i, q := range queues {
		asked[i] = rocketmq.LMQ{Broker: q.Broker, Name: q.LMQ}
	}
	return l.c.MaxOffsets(ctx, asked)
}

// Brokers implements admin.Log.
func (l adminLog) Brokers() []string {
	var names []string
	for _, b := range l.c.Brokers() {
		names = append(names, b.Name)
	}
	return names
}
