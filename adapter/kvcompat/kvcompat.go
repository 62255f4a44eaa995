// Package kvcompat lets Java gateways' clients get the messages that are published here: it keeps the lists that those
// gateways have in the name servers and tells which queues they would dispatch a message to.
//
// Until the lists were read once nothing is known, and publications wait; after that the last lists read are used for as
// long as no name server answers. A filter that is added there takes effect at the next reading, as with Java gateways.
package kvcompat

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/meta/javameta"
)

// ErrNotRead says that the lists were not read yet.
var ErrNotRead = errors.New("the wildcards in the name servers are not known yet")

// Source reads the namespace LMQ of the name servers' key-value configuration.
type Source interface {
	KVTable(ctx context.Context, namespace string) (map[string]string, error)
}

// Config tunes Lists; the zero value is sane.
type Config struct {
	Namespace  string        // "LMQ" when empty
	Every      time.Duration // between readings, 5 s when 0, as the Java gateway does
	Timeout    time.Duration // of one reading, 5 s when 0
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Lists answers for the last reading. Queues may be called concurrently with Run.
type Lists struct {
	source Source
	cfg    Config
	index  atomic.Pointer[javameta.Index]

	known, skipped, at prometheus.Gauge
	readings           *prometheus.CounterVec
}

// New returns Lists that know nothing until Run has read.
func New(source Source, cfg Config) *Lists {
	if cfg.Namespace == "" {
		cfg.Namespace = "LMQ"
	}
	if cfg.Every <= 0 {
		cfg.Every = 5 * time.Second
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	l := &Lists{
		source: source, cfg: cfg,
		known:   gauge("lmqgate_kv_compat_wildcards", "Wildcard filters listed in the name servers that messages are dispatched to for Java gateways."),
		skipped: gauge("lmqgate_kv_compat_skipped", "Entries of the lists in the name servers that were left out, see the log."),
		at:      gauge("lmqgate_kv_compat_read_timestamp_seconds", "When the lists in the name servers were last read."),
		readings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lmqgate_kv_compat_readings_total", Help: "Readings of the lists in the name servers, by result.",
		}, []string{"result"}),
	}
	l.readings.WithLabelValues("ok")
	l.readings.WithLabelValues("error")
	if cfg.Registerer != nil {
		cfg.Registerer.MustRegister(l.known, l.skipped, l.at, l.readings)
	}
	return l
}

// Queues returns the light message queues that a Java gateway would dispatch a message with that topic name to, or
// ErrNotRead.
func (l *Lists) Queues(name string) ([]string, error) {
	index := l.index.Load()
	if index == nil {
		return nil, ErrNotRead
	}
	return index.Queues(name), nil
}

// retryFirst is the pause after a reading that failed, as long as none has succeeded.
const retryFirst = 500 * time.Millisecond

// Run reads until ctx ends. What is wrong is logged when it changes.
func (l *Lists) Run(ctx context.Context) {
	var failing bool
	var said []string
	for {
		pause := l.cfg.Every
		lists, err := l.read(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			l.readings.WithLabelValues("error").Inc()
			if !failing {
				l.cfg.Logger.Warn("reading wildcards for Java gateways failed, going on with those known", "error", err)
			}
			failing = true
			if l.index.Load() == nil {
				pause = min(pause, retryFirst)
			}
		default:
			failing = false
			said = l.say(lists, said)
			l.apply(lists)
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
	}
}

func (l *Lists) read(ctx context.Context) (javameta.Lists, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	table, err := l.source.KVTable(ctx, l.cfg.Namespace)
	if err != nil {
		return javameta.Lists{}, err
	}
	return javameta.Read(table), nil
}

func (l *Lists) apply(lists javameta.Lists) {
	first := l.index.Load() == nil
	l.index.Store(lists.Index())
	l.readings.WithLabelValues("ok").Inc()
	l.known.Set(float64(lists.Count()))
	l.skipped.Set(float64(lists.Skipped))
	l.at.SetToCurrentTime()
	if first {
		l.cfg.Logger.Info("dispatching to Java gateways' clients too", "first_topics", len(lists.FirstTopics), "wildcards", lists.Count())
	}
}

// say logs problems that were not said at the last reading.
func (l *Lists) say(lists javameta.Lists, said []string) []string {
	for _, p := range lists.Problems {
		if !slices.Contains(said, p) {
			l.cfg.Logger.Warn("an entry of the lists in the name servers is left out", "problem", p)
		}
	}
	return lists.Problems
}
