package gateway

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"lmqgate/adapter/client"
	"lmqgate/adapter/deliver"
	"lmqgate/adapter/dispatch"
	"lmqgate/adapter/events"
	"lmqgate/adapter/inside"
	"lmqgate/adapter/kvcompat"
	"lmqgate/adapter/overload"
	"lmqgate/adapter/presence"
	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/transport"
	"lmqgate/adapter/will"
	"lmqgate/functions/outgoing"
	"lmqgate/functions/push"
	"lmqgate/functions/stream"
	"lmqgate/functions/tick"
	"lmqgate/functions/web"
	"lmqgate/infra/config"
	"lmqgate/infra/telemetry"
	"lmqgate/infra/telemetry/tracing"
	"lmqgate/meta/access"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Options are what does not come from the environment.
type Options struct {
	Out io.Writer // where the start-up words go; nil: nowhere
	Err io.Writer // where the log goes; nil: nowhere
}

// Gateway is one instance.
type Gateway struct {
	cfg  config.Config
	out  io.Writer
	log  *slog.Logger
	reg  *telemetry.Registry
	id   string
	fail *failpoint
	now  func() time.Time // nil: time.Now

	embedded  embedded
	store     *redisstore.Store
	closeRaw  func() error // the Redis connections
	lease     *lease
	matcher   *registry.Matcher
	committer *session.Committer
	rocket    *rocketmq.Client
	retained  *redisstore.Retained
	named     *redisstore.Named
	own       *redisstore.Own
	dispatch  *dispatch.Dispatcher
	wills     *will.Publisher
	sweeper   *sweeper
	tick      *tick.Handler // nil: off
	monitor   *monitor
	hub       *deliver.Hub
	tracer    *tracing.Tracer   // nil: off
	presence  *presence.Events  // nil unless wanted
	events    *events.Publisher // nil unless wanted
	push      *push.Service     // nil: off
	outgoing  *outgoing.Client  // of pushes
	compat    *kvcompat.Lists   // nil unless there are Java gateways
	clients   *client.Server
	reader    *inside.Reader
	verifier  access.Verifier
	access    access.Authorizer
	rules     *access.Live    // of access
	rulesFile *rulesFile      // nil: there is none
	edge      *web.Edge       // before all functions
	patterns  []string        // of the routes on PORT
	stream    *stream.Handler // nil: off
	topics    http.Handler    // serves topicsPath; nil: off
	transport *transport.Server
	memory    *overload.Watch
	traffic   transport.Traffic
	lapses    atomic.Int64 // times the lease had ended
	kept      atomic.Int64 // retained messages, as the status topics last counted them; one more than that, 0: not yet
	most      atomic.Int64 // clients at once, as figures saw it

	http      *http.Server
	metrics   *http.Server
	admin     *http.Server // nil: on PORT, or off
	listeners listeners
	tls       *tls.Config // nil: no TLS
	draining  atomic.Bool

	background context.CancelFunc // ends the loops
	loops      sync.WaitGroup
	serving    sync.WaitGroup
	failed     chan error // a listener that ended by itself
}

// Run runs an instance until ctx ends, then drains it, in a hurry once hurry ends. It is what main runs.
func Run(ctx, hurry context.Context, cfg config.Config) error {
	g, err := New(cfg, Options{Out: os.Stdout, Err: os.Stderr})
	if err != nil {
		return err
	}
	if err := g.Start(ctx); err != nil {
		return errors.Join(err, g.Stop(context.Background()))
	}
	select {
	case <-ctx.Done():
	case err = <-g.failed:
	}
	g.drain(hurry)
	return err
}

// New makes an instance that does nothing yet.
func New(cfg config.Config, opt Options) (*Gateway, error) {
	if opt.Out == nil {
		opt.Out = io.Discard
	}
	if opt.Err == nil {
		opt.Err = io.Discard
	}
	host, _ := os.Hostname()
	g := &Gateway{
		cfg: cfg, out: opt.Out,
		log:    telemetry.NewLogger(opt.Err, telemetry.LogConfig{Level: cfg.LogLevel, Format: cfg.LogFormat, Follow: cfg.LogClients}),
		reg:    telemetry.NewRegistry(telemetry.ReadBuild()),
		id:     fmt.Sprintf("%s-%s", host, rand.Text()[:8]),
		failed: make(chan error, 4),
	}
	g.log = g.log.With("instance", g.id)
	g.fail, g.now = newFailpoint(cfg.Failpoint), newTestClock(cfg.TestClock)
	return g, nil
}

// Start starts everything and returns when clients are accepted. It fails on what cannot mend itself: an address in
// use, a file that cannot be read.
func (g *Gateway) Start(ctx context.Context) error {
	for _, w := range g.cfg.Warnings {
		g.log.Warn(w)
	}
	g.examineEnvironment()
	g.limitMemory()
	if err := g.bind(); err != nil {
		return err
	}
	if err := g.embedded.start(g); err != nil {
		return err
	}
	if err := g.openStore(); err != nil {
		return err
	}
	if err := g.openRocket(); err != nil {
		return err
	}
	if err := g.assemble(); err != nil {
		return err
	}
	g.openServers()
	g.lease.start()
	loops, cancel := context.WithCancel(context.Background())
	g.background = cancel
	g.loop(func() { _ = g.matcher.Run(loops) })
	g.loop(func() { g.committer.Run(loops) })
	g.loop(func() { g.clients.Run(loops) })
	g.loop(func() { g.sweeper.run(loops) })
	g.loop(func() { g.sweeper.reconcile(loops) })
	g.loop(func() { g.monitor.run(loops) })
	g.loop(func() { g.examine(loops) })
	g.loop(func() { g.memory.Run(loops) })
	g.loop(func() { _ = g.store.Listen(loops, g.id, g.clients.Word) })
	g.loop(func() { g.startRocket(loops) })
	if g.compat != nil {
		g.loop(func() { g.compat.Run(loops) })
	}
	g.loop(func() { g.openStatus().Run(loops) })
	if g.cfg.ACLRulesFile != "" {
		g.rulesFile = g.newRulesFile()
		g.loop(func() { g.rulesFile.run(loops) })
	}
	if len(g.cfg.Relay) > 0 {
		g.loop(func() { g.openRelay().Run(loops) })
	}
	if g.push != nil {
		g.push.Start()
	}
	g.warmUp(ctx)
	g.serve()
	g.announce()
	return nil
}

func (g *Gateway) loop(fn func()) { g.loops.Go(fn) }

// startRocket connects to the cluster; whatever is away, the client goes on trying by itself.
func (g *Gateway) startRocket(ctx context.Context) {
	if err := g.rocket.Start(ctx); err != nil && ctx.Err() == nil {
		g.log.Error("starting the RocketMQ client failed", "error", err)
	}
}

// assemble makes the parts between the store and the listeners.
func (g *Gateway) assemble() error {
	if err := g.openTracing(context.Background()); err != nil {
		return err
	}
	chain, enhanced, err := g.authenticate()
	if err != nil {
		return err
	}
	g.lease = newLease(g.store, g.id, g.log)
	if g.now != nil {
		g.lease.clock.wall = g.now
	}
	g.committer = session.NewCommitter(g.store, session.CommitterConfig{Logger: g.log, Register: g.reg})
	g.matcher = registry.NewMatcher(g.store, registry.Config{
		OnRollback: g.reassert, Stale: g.cfg.StaleRegistry, Logger: g.log, Registerer: g.reg,
	})
	g.dispatch = dispatch.New(g.matcher, producer{g.rocket}, dispatch.Config{
		Now:      g.now,
		Fallback: g.cfg.FallbackTopic, P2P: g.cfg.P2P, FirstTopics: g.cfg.FirstTopics, Retainer: g.retained,
		MaxInFlight: mostInHand, MaxInFlightBytes: int64(g.share(mostBytesInHand, 8)),
		Clients: g.addressees(), Others: g.others(), Tracer: g.publishes(), Failpoint: g.fail.hook(), Logger: g.log, Registerer: g.reg,
	})
	g.monitor = newMonitor(g.log, g.reg, g.checks()...)
	g.wills = will.New(g.store, lanes{g.dispatch}, will.Config{Now: g.now, Logger: g.log, Registerer: g.reg})
	g.sweeper = g.openSweeper()
	g.events = g.openEvents()
	g.hub = deliver.NewHub(messageLog{g.rocket, g.tracer}, g.store, g.committer, deliver.Config{
		Now: g.now, Window: int(g.cfg.ReceiveMaximum), TotalBytes: int64(g.share(mostBytesRead, 16)), Retained: g.retained, Shared: g.shared(), Limit: g.named, Own: g.own, P2P: g.cfg.P2P, Dropped: g.dropped(), Logger: g.log, Register: g.reg,
	})
	g.rocket.OnBrokers(func(added, _ []rocketmq.Broker) {
		if len(added) > 0 {
			g.hub.BrokersAdded(brokerNames(added))
		}
	})
	g.presence = g.openPresence()
	g.rules = access.NewLive(&access.RuleSet{Everybody: g.cfg.Rules, Default: g.cfg.ACLDefault == "allow"})
	g.verifier, g.access = chain, access.And{access.NewStatusRule(g.cfg.StatusUsers), g.rules}
	g.clients = client.NewServer(client.Deps{
		Sessions: g.store, Viewer: g.store, Sweeper: g.store, Words: g.store, Filters: g.store, Committer: g.committer,
		Deliver: deliverer{g.hub}, Lanes: lanes{g.dispatch}, Verifier: chain, Enhanced: enhanced,
		Access: g.access, Lease: g.lease, Admit: g.available, NewKey: rocketmq.NewKey,
		Wills: func(due []session.DueWill) { g.wills.Publish(due...) }, Presence: g.present(), Dropped: g.dropped(),
		Pressure: pressure{g},
	}, client.Config{
		Now: g.now, Instance: g.id, MaxPacketSize: g.cfg.MaxPacketSize, ReceiveMaximum: int(g.cfg.ReceiveMaximum),
		KeepAliveMax: g.cfg.KeepAliveMax, MaxAge: g.cfg.MaxConnectionAge, SessionExpiryMax: orNone(g.cfg.SessionExpiryMax),
		PacketTimeout: g.cfg.PacketTimeout, WriteTimeout: g.cfg.WriteTimeout,
		OutBytes: g.share(mostBytesOut, 5), InHand: mostInHand, InHandBytes: g.share(mostBytesInHand, 8),
		ClientRate: client.Rate{Messages: g.cfg.PublishRate, Bytes: g.cfg.PublishBytes}, UserConnects: g.cfg.UserConnectRate, AddressConnects: g.cfg.AddrConnectRate,
		UserRate:         client.Rate{Messages: g.cfg.UserPublishRate, Bytes: g.cfg.UserPublishBytes},
		Rate:             client.Rate{Messages: g.cfg.AllPublishRate, Bytes: g.cfg.AllPublishBytes},
		DisconnectFast:   g.cfg.PublishOver == "disconnect",
		MaxSubscriptions: g.cfg.MaxSubscriptions, P2P: g.cfg.P2P, Takeovers: burst(g.cfg.TakeoverBurst), Unbound: g.cfg.SessionBinding == "off", PingAfter: g.cfg.WSPing,
		Follow: g.follow(), Trace: g.connects(), Logger: g.log, Register: g.reg,
	})
	g.reader = inside.New(inside.Config{
		Serve: func(c *inside.Conn) { g.clients.Serve(c) }, Window: int(g.cfg.ReceiveMaximum),
	})
	if g.push, err = g.openPush(); err != nil {
		return err
	}
	g.lease.lapsed = func() { g.lapses.Add(1); g.clients.Lapsed() }
	g.registerState()
	g.memory = overload.New(overload.Config{
		Limit: g.cfg.MemoryLimit, Shed: g.clients.Shed, Logger: g.log, Registerer: g.reg,
	})
	return nil
}

// orNone is a duration of which 0 means none, for a Config in which 0 means the default.
func orNone(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// burst is a number of which 0 means any, for a Config in which 0 means the default.
func burst(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// reassert holds the filters of all live sessions again after the registry was rolled back (decision 3).
func (g *Gateway) reassert() {
	g.loops.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		holds := g.hub.Holdings()
		g.log.Warn("filter registry was rolled back, holding the filters of live sessions again", "filters", len(holds))
		if err := g.store.Hold(ctx, holds); err != nil {
			g.log.Error("holding filters again failed", "error", err)
		}
		g.hub.Reasserted()
	})
}

// Stop ends the instance in order, also after a Start that failed half-way. Whatever ctx cuts short ends at once;
// nothing acknowledged is lost by that.
func (g *Gateway) Stop(ctx context.Context) error {
	g.draining.Store(true)
	var errs []error
	if g.tick != nil {
		g.tick.Stop()
	}
	g.stopPush(ctx)
	errs = append(errs, g.stopClients(ctx))
	if g.stream != nil {
		g.stream.Stop()
	}
	if g.wills != nil {
		errs = append(errs, g.closeEvents(ctx), g.wills.Close(ctx))
	}
	if g.dispatch != nil {
		errs = append(errs, g.dispatch.Close(ctx))
	}
	if g.hub != nil {
		g.hub.Close()
	}
	g.lastAnswers(ctx)
	g.stopHTTP()
	errs = append(errs, g.leave())
	if g.background != nil {
		g.background()
		g.loops.Wait()
	}
	g.serving.Wait()
	if g.rocket != nil {
		errs = append(errs, g.rocket.Close(ctx))
	}
	if g.closeRaw != nil {
		errs = append(errs, g.closeRaw())
	}
	if g.tick != nil {
		g.tick.Wait()
	}
	if g.transport != nil { // who still waited for Redis does so no longer
		last, cancel := context.WithTimeout(context.Background(), lastWords)
		defer cancel()
		errs = append(errs, g.transport.Wait(last))
	}
	g.closeTracing()
	g.embedded.stop()
	return errors.Join(errs...)
}

// leave ends the heartbeat and tells the others, who then need not wait until it has lapsed.
func (g *Gateway) leave() error {
	if g.lease == nil {
		return nil
	}
	if beaten := g.lease.stop(); !beaten {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastWords)
	defer cancel()
	return g.store.Leave(ctx, g.id)
}

// HTTPAddr is where HTTP and WebSocket listen.
func (g *Gateway) HTTPAddr() net.Addr { return g.listeners.http.Addr() }

// TCPAddr is where MQTT over TCP listens, nil if it does not.
func (g *Gateway) TCPAddr() net.Addr {
	if g.listeners.tcp == nil {
		return nil
	}
	return g.listeners.tcp.Addr()
}
