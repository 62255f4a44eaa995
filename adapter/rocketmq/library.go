package rocketmq

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// The library's logger and panic handler belong to the process, so these do
// too: the first client installs them once, the latest one's logger is used.
var (
	libraryOnce   sync.Once
	libraryLogger atomic.Pointer[slog.Logger]
)

// tameLibrary keeps the library from writing files and from ending the process
// when one of its goroutines panics.
func tameLibrary(l *slog.Logger) {
	libraryLogger.Store(l)
	libraryOnce.Do(func() {
		rlog.SetLogger(slogLogger{})
		primitive.PanicHandler = func(v any) {
			libraryLogger.Load().Error("panic in rocketmq-client-go", "panic", fmt.Sprint(v))
		}
	})
}

// slogLogger passes the library's log lines on. Its info lines, several a
// second, are debug lines here.
type slogLogger struct{}

var _ rlog.Logger = slogLogger{}

func (slogLogger) Debug(msg string, f map[string]any)   { toSlog(slog.LevelDebug, msg, f) }
func (slogLogger) Info(msg string, f map[string]any)    { toSlog(slog.LevelDebug, msg, f) }
func (slogLogger) Warning(msg string, f map[string]any) { toSlog(slog.LevelWarn, msg, f) }
func (slogLogger) Error(msg string, f map[string]any)   { toSlog(slog.LevelWarn, msg, f) }
func (slogLogger) Fatal(msg string, f map[string]any)   { toSlog(slog.LevelError, msg, f) }
func (slogLogger) Level(string)                         {}
func (slogLogger) OutputPath(string) error              { return nil }

func toSlog(level slog.Level, msg string, fields map[string]any) {
	l := libraryLogger.Load()
	if !l.Enabled(context.Background(), level) {
		return
	}
	args := make([]any, 0, 2*len(fields)+2)
	args = append(args, "from", "rocketmq-client-go")
	for k, v := range fields {
		args = append(args, k, v)
	}
	l.Log(context.Background(), level, msg, args...)
}
