package redisstore

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// RedirectLogs sends what go-redis logs to l instead of the standard error. It concerns the whole process, since
// go-redis has one logger for all clients: main calls it once, before the first Open.
func RedirectLogs(l *slog.Logger) { redis.SetLogger(clientLog{l}) }

// clientLog adapts a logger to go-redis. Its words repeat, several times for each failed command, what the commands'
// errors say: they are for who looks closer.
type clientLog struct{ log *slog.Logger }

func (c clientLog) Printf(ctx context.Context, format string, v ...any) {
	c.log.DebugContext(ctx, "redis client", slog.String("message", fmt.Sprintf(format, v...)))
}
