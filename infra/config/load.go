package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// Load makes a Config of an environment as os.Environ gives it ("NAME=value"; of a repeated name the last counts).
// A variable set to nothing or to spaces counts as not set. The process environment itself is not read.
//
// The error is of type Problems: every wrong variable, not only the first. Besides environ Load looks at the files that
// variables name, at the process's limit of open files and at the container's limit of memory, from which other limits get
// their defaults.
func Load(environ []string) (Config, error) {
	return loadOn(environ, machine{files: openFilesLimit(), memory: containerMemory(os.DirFS("/"))})
}

// machine is what the process may have of it; 0 means unknown.
type machine struct {
	files  uint64 // open at once
	memory uint64 // bytes, of the container
}

// load is Load with the limit of open files given; 0 means unknown.
func load(environ []string, files uint64) (Config, error) {
	return loadOn(environ, machine{files: files})
}

// Inspect is Load for who goes on although the environment is wrong: beside all problems it returns what could be read,
// with the zero value for what could not.
func Inspect(environ []string) (Config, Problems) {
	return inspectOn(environ, machine{files: openFilesLimit(), memory: containerMemory(os.DirFS("/"))})
}

func loadOn(environ []string, m machine) (Config, error) {
	cfg, wrong := inspectOn(environ, m)
	if len(wrong) > 0 {
		return Config{}, wrong
	}
	return cfg, nil
}

func inspectOn(environ []string, m machine) (Config, Problems) {
	set := toMap(environ)
	var cfg Config
	var wrong Problems
	wrong.parse(&cfg, set)

	cfg.embedded(set, &wrong)
	cfg.memory(set, m.memory)
	cfg.platformDefaults(set, m.files)
	for _, check := range []func(map[string]string, *Problems){
		cfg.checkListeners, cfg.checkTLS, cfg.checkRocketMQ, cfg.checkRedis,
		cfg.checkAuth, cfg.checkLimits, cfg.checkProxies, cfg.checkLog, cfg.checkTracing,
	} {
		check(set, &wrong)
	}
	cfg.FittingConnections = defaultConnections(m.files, cfg.MemoryLimit)
	cfg.Warnings = append(cfg.Warnings, unknown(set)...)
	cfg.TestClock = set["LMQGATE_TEST_CLOCK"]
	cfg.Failpoint, cfg.StaleRegistry = set["LMQGATE_TEST_FAILPOINT"], set["LMQGATE_TEST_STALE_REGISTRY"] == "true"
	return cfg, wrong.sorted()
}

// toMap keeps what is set, trimmed: a stray space or newline from a secret file must not become part of a value.
func toMap(environ []string) map[string]string {
	set := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			continue
		}
		if value = strings.TrimSpace(value); value == "" {
			delete(set, name)
			continue
		}
		set[name] = value
	}
	return set
}

// parse fills the tagged fields of cfg and notes values of the wrong type. A variable with a problem keeps the zero
// value, so later checks of it are left out by looking at Problems.has.
func (p *Problems) parse(cfg *Config, set map[string]string) {
	err := env.ParseWithOptions(cfg, env.Options{Environment: set, FuncMap: parsers()})
	if err == nil {
		return
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		p.add("PORT", "read environment: %v", err)
		return
	}
	for _, one := range all.Errors {
		var parse env.ParseError
		if !errors.As(one, &parse) {
			p.add("PORT", "read environment: %v", one)
			continue
		}
		name := varOf(parse.Name)
		p.reject(name, set[name])
	}
}

// has reports whether the variable has a problem already.
func (p Problems) has(name string) bool {
	for _, one := range p {
		if one.Var == name {
			return true
		}
	}
	return false
}

// varOf returns the variable that fills the named field of Config.
func varOf(field string) string {
	f, ok := reflect.TypeFor[Config]().FieldByName(field)
	if !ok {
		return field
	}
	name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
	return name
}

// parsers are the types that are read in another way than the library's own.
func parsers() map[reflect.Type]env.ParserFunc {
	return map[reflect.Type]env.ParserFunc{
		reflect.TypeFor[bool]():          func(v string) (any, error) { return parseBool(v) },
		reflect.TypeFor[[]string]():      func(v string) (any, error) { return parseList(v), nil },
		reflect.TypeFor[time.Duration](): func(v string) (any, error) { return time.ParseDuration(v) },
	}
}

func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is not a boolean", v)
}

// parseList splits at commas and semicolons, trims, and leaves out what is empty and what was named before.
func parseList(v string) []string {
	var out []string
	seen := make(map[string]bool)
	for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ';' }) {
		if part = strings.TrimSpace(part); part != "" && !seen[part] {
			seen[part] = true
			out = append(out, part)
		}
	}
	return out
}

// LogValue shows what an operator asks first; secrets are not in it.
func (c Config) LogValue() slog.Value {
	return slog.GroupValue(
		slog.Int("port", c.Port),
		slog.String("bind_addr", c.BindAddr),
		slog.String("mqtt_tcp_addr", c.MQTTTCPAddr),
		slog.String("mqtt_tls_addr", c.MQTTTLSAddr),
		slog.Bool("embedded_redis", c.EmbeddedRedis),
		slog.Bool("embedded_rocketmq", c.EmbeddedRocketMQ),
		slog.Any("namesrv_addr", c.NameServers),
		slog.Any("auth", c.Auth),
		slog.Int("max_connections", c.MaxConnections),
		slog.Duration("max_connection_age", c.MaxConnectionAge),
	)
}
