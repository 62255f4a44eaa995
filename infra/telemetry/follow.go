package telemetry

import (
	"context"
	"log/slog"
	"path"
)

// Follow is whose lines are logged at debug level while others keep to LogConfig.Level: client ids or patterns of them, with
// `*` and `?` as in file names.
type Follow []string

// Client reports whether a client is followed.
func (f Follow) Client(id string) bool {
	for _, pattern := range f {
		if pattern == id {
			return true
		}
		if ok, err := path.Match(pattern, id); ok && err == nil {
			return true
		}
	}
	return false
}

// following lets lines below the level through that name a client that is followed.
type following struct {
	slog.Handler
	level slog.Level
	who   Follow
	whose bool // WithAttrs named one
}

// Enabled implements slog.Handler: what a line names is known only when it is there.
func (h following) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h following) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= h.level || h.whose || h.names(r) {
		return h.Handler.Handle(ctx, r)
	}
	return nil
}

func (h following) names(r slog.Record) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = h.is(a)
		return !found
	})
	return found
}

func (h following) is(a slog.Attr) bool {
	return a.Key == "client_id" && h.who.Client(a.Value.String())
}

// WithAttrs implements slog.Handler.
func (h following) WithAttrs(attrs []slog.Attr) slog.Handler {
	for _, a := range attrs {
		h.whose = h.whose || h.is(a)
	}
	h.Handler = h.Handler.WithAttrs(attrs)
	return h
}

// WithGroup implements slog.Handler.
func (h following) WithGroup(name string) slog.Handler {
	h.Handler = h.Handler.WithGroup(name)
	return h
}
