package migrate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"lmqgate/adapter/rocketmq"
	"lmqgate/infra/config"
	"lmqgate/meta/redisstore"
)

// ErrEmbedded says that there is nothing to move over to or from.
var ErrEmbedded = errors.New("set REDIS_URL and NAMESRV_ADDR: sessions are moved from the brokers to Redis, and neither can be embedded")

// Open connects to what the gateway's environment names. close ends both.
func Open(ctx context.Context, cfg config.Config, log *slog.Logger) (*rocketmq.Client, *redisstore.Store, func(), error) {
	if cfg.EmbeddedRedis || cfg.EmbeddedRocketMQ {
		return nil, nil, nil, ErrEmbedded
	}
	opt, err := cfg.RedisOptions()
	if err != nil {
		return nil, nil, nil, err
	}
	opt.ContextTimeoutEnabled, opt.DialerRetries, opt.DisableIdentity, opt.Protocol = true, 1, true, 2
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	redisstore.RedirectLogs(log)
	raw := redis.NewUniversalClient(opt)
	store, err := redisstore.New(raw, redisstore.Config{Prefix: cfg.RedisPrefix, Logger: log})
	if err != nil {
		return nil, nil, nil, errors.Join(err, raw.Close())
	}
	if err := raw.Ping(ctx).Err(); err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("connect to redis: %w", err), raw.Close())
	}
	c, err := rocketmq.New(rocketmq.Config{
		NameServers: cfg.NameServers, AccessKey: cfg.RocketMQAccessKey, SecretKey: cfg.RocketMQSecretKey.Reveal(), TLS: cfg.RocketMQTLSConfig,
		InstanceID: "lmqgate-migrate", DirectSend: true, Logger: log,
	})
	if err != nil {
		return nil, nil, nil, errors.Join(err, raw.Close())
	}
	done := func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, _ = c.Close(last), raw.Close()
	}
	if err := c.Start(ctx); err != nil {
		done()
		return nil, nil, nil, err
	}
	return c, store, done, nil
}
