// Package telemetry sets up what the gateway tells about itself: the log, the metrics registry, its build.
package telemetry

import (
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/term"
)

// LogConfig chooses the log. The zero value is info as JSON or, on a terminal, text.
type LogConfig struct {
	Level  slog.Level
	Follow Follow // clients of which everything is logged
	Format string // "json", "text", or "" for text on a terminal and json elsewhere
}

// NewLogger returns a logger that writes one line a record to w. Times are UTC with milliseconds; durations are written
// as Go writes them, in JSON as well, so that the same value reads the same in both formats.
func NewLogger(w io.Writer, cfg LogConfig) *slog.Logger {
	opts := &slog.HandlerOptions{Level: cfg.Level, ReplaceAttr: replace}
	if len(cfg.Follow) > 0 {
		opts.Level = slog.LevelDebug
	}
	var h slog.Handler = slog.NewJSONHandler(w, opts)
	if cfg.Format == "text" || cfg.Format == "" && isTerminal(w) {
		h = slog.NewTextHandler(w, opts)
	}
	h = newLimiter(h, time.Now)
	if len(cfg.Follow) > 0 {
		h = following{Handler: h, level: cfg.Level, who: cfg.Follow}
	}
	return slog.New(h)
}

func replace(groups []string, a slog.Attr) slog.Attr {
	switch {
	case len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime:
		return slog.String(slog.TimeKey, a.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z"))
	case a.Value.Kind() == slog.KindDuration:
		return slog.String(a.Key, a.Value.Duration().Round(time.Microsecond).String())
	}
	return a
}

// isTerminal reports whether w is a file on a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
