package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"strconv"
	"time"

	"lmqgate/adapter/transport"
	"lmqgate/infra/telemetry"
)

// listeners are the open sockets; nil ones are off.
type listeners struct{ http, tcp, tls, metrics, admin net.Listener }

func (l *listeners) all() []net.Listener {
	return []net.Listener{l.http, l.tcp, l.tls, l.metrics, l.admin}
}

// close closes those that accept MQTT; HTTP goes on answering health checks until its server stops.
func (l *listeners) close() {
	for _, ln := range []net.Listener{l.tcp, l.tls} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

// bind opens every address before anything is started, so that what a person has to put right is said at once.
func (g *Gateway) bind() (err error) {
	if g.tls, err = g.tlsConfig(); err != nil {
		return err
	}
	l := &g.listeners
	if l.http, err = listen("PORT", net.JoinHostPort(g.cfg.BindAddr, strconv.Itoa(g.cfg.Port))); err != nil {
		return err
	}
	if g.cfg.MQTTTCPAddr != "" {
		l.tcp, err = listen("MQTT_TCP_ADDR", g.cfg.MQTTTCPAddr)
		switch {
		case err == nil:
		case g.cfg.MQTTTCPAddrSet:
			return err
		default:
			g.log.Warn("MQTT over TCP is off: its default address cannot be used; set MQTT_TCP_ADDR to another one, or to off",
				"address", g.cfg.MQTTTCPAddr, "error", errors.Unwrap(err))
		}
	}
	if g.cfg.MQTTTLSAddr != "" {
		if l.tls, err = listen("MQTT_TLS_ADDR", g.cfg.MQTTTLSAddr); err != nil {
			return err
		}
	}
	if g.cfg.MetricsAddr != "" && g.cfg.MetricsAddr != "main" {
		if l.metrics, err = listen("METRICS_ADDR", g.cfg.MetricsAddr); err != nil {
			return err
		}
	}
	if g.cfg.AdminAddr != "" {
		if l.admin, err = listen("ADMIN_ADDR", g.cfg.AdminAddr); err != nil {
			return err
		}
	}
	return nil
}

// openServers makes the servers on the open sockets.
func (g *Gateway) openServers() {
	g.transport = transport.New(transport.Config{
		Path: g.cfg.WSPath, Origins: g.cfg.WSOrigins, ReadLimit: int64(4 * g.cfg.MaxPacketSize),
		ConnectTimeout: g.cfg.ConnectTimeout, MaxConnections: g.cfg.MaxConnections,
		ConnectRate: g.cfg.ConnectRate, MaxHalfMade: g.cfg.MaxHandshakes, Admit: g.admit,
		TrustedProxies: g.cfg.TrustedProxies, ProxyProtocol: g.cfg.ProxyProtocol,
		TLS: g.tls, Traffic: &g.traffic, Logger: g.log, Registerer: g.reg,
	}, func(c *transport.Conn) { g.clients.Serve(conn{c}) })
	errorLog := slog.NewLogLogger(g.log.Handler(), slog.LevelWarn)
	if g.listeners.metrics != nil {
		mux := http.NewServeMux()
		mux.Handle("GET /metrics", telemetry.Handler(g.reg))
		mux.HandleFunc("GET /health/ready", g.readyInside)
		mux.HandleFunc("GET /debug/pprof/", pprof.Index) // this listener is the operator's own
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		g.metrics = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: errorLog}
	}
	if g.listeners.admin != nil {
		g.admin = &http.Server{Handler: g.openOperators(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: requestTime, WriteTimeout: requestTime, ErrorLog: errorLog}
	}
	g.http = &http.Server{
		Handler: g.transport.Serving(g.mux()), ConnContext: g.transport.ConnContext, MaxHeaderBytes: 16 << 10, ErrorLog: errorLog,
		ReadHeaderTimeout: g.cfg.ConnectTimeout, IdleTimeout: time.Minute,
		// A handler that needs longer, to stream, asks for it with http.ResponseController. WebSockets are not concerned.
		ReadTimeout: max(g.cfg.ConnectTimeout, requestTime), WriteTimeout: max(g.cfg.ConnectTimeout, requestTime),
	}
}

// requestTime is how long an HTTP request may take to come, and its answer to be read.
const requestTime = 30 * time.Second

func listen(name, addr string) (net.Listener, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		hint := "another address"
		if name == "PORT" {
			hint = "another port, 0 is any free one"
		}
		return nil, fmt.Errorf("%s: cannot listen on %s: %w; set %s to %s", name, addr, reason(err), name, hint)
	}
	return ln, nil
}

// reason is a failure of the network without the words around it, which repeat the address.
func reason(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	if call := (*os.SyscallError)(nil); errors.As(err, &call) {
		err = call.Err
	}
	return err
}

// tlsConfig reads the files that TLS_CERT_FILE and its companions name.
func (g *Gateway) tlsConfig() (*tls.Config, error) {
	if g.cfg.TLSCertFile == "" {
		return nil, nil
	}
	cert, err := tls.LoadX509KeyPair(g.cfg.TLSCertFile, g.cfg.TLSKeyFile)
	if err != nil {
		return nil, fmt.Errorf("TLS_CERT_FILE, TLS_KEY_FILE: %w", err)
	}
	c := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if g.cfg.TLSClientCAFile == "" {
		return c, nil
	}
	pem, err := os.ReadFile(g.cfg.TLSClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("TLS_CLIENT_CA_FILE: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("TLS_CLIENT_CA_FILE: no certificate in %s", g.cfg.TLSClientCAFile)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	return c, nil
}

// serve starts the servers on the open listeners.
func (g *Gateway) serve() {
	g.run("HTTP", func() error { return g.http.Serve(g.transport.Listener(g.listeners.http)) })
	if ln := g.listeners.tcp; ln != nil {
		g.run("MQTT over TCP", func() error { return g.transport.ServeTCP(context.Background(), ln) })
	}
	if ln := g.listeners.tls; ln != nil {
		g.run("MQTT over TLS", func() error { return g.transport.ServeTLS(context.Background(), ln) })
	}
	if ln := g.listeners.admin; ln != nil {
		g.run("admin", func() error { return g.admin.Serve(ln) })
	}
	if ln := g.listeners.metrics; ln != nil {
		g.run("metrics", func() error { return g.metrics.Serve(ln) })
	}
}

func (g *Gateway) run(what string, fn func() error) {
	g.serving.Go(func() {
		err := fn()
		if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) || g.draining.Load() {
			return
		}
		g.failed <- fmt.Errorf("serve %s: %w", what, err)
	})
}

func (g *Gateway) stopHTTP() {
	for _, s := range []*http.Server{g.http, g.metrics, g.admin} {
		if s != nil {
			_ = s.Close()
		}
	}
	for _, ln := range g.listeners.all() {
		if ln != nil {
			_ = ln.Close()
		}
	}
}
