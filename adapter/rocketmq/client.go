package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/rocketmq/remoting"
)

// Client is the facade. All methods may be called concurrently, also before the
// cluster is reachable: it connects and reconnects by itself.
type Client struct {
	cfg      Config
	metrics  *metrics
	names    *nameServers
	cluster  *cluster
	puller   *puller
	poppers  *poppers
	acker    *acker
	returner *returner
	canaries *canaries
	topics   *topics
	sender   sender
	asking   chan struct{} // semaphore of offset calls

	ctx    context.Context // ends at Close; the life of the client's goroutines
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // protects the fields below
	started bool
	closed  bool
	sending int           // sends under way
	working int           // acknowledgements and returns under way
	quiet   bool          // idle is closed
	idle    chan struct{} // closed when closed and nothing is under way
}

// askingMax bounds offset calls under way: fired by the ten thousand they are
// answered "busy".
const askingMax = 64

// New returns a client that does nothing yet.
func New(cfg Config) (*Client, error) {
	if len(cfg.NameServers) == 0 {
		return nil, errors.New("new rocketmq client: no name server given")
	}
	cfg = cfg.withDefaults()
	c := &Client{cfg: cfg, metrics: newMetrics(cfg.Registerer), asking: make(chan struct{}, askingMax), idle: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.names = newNameServers(cfg.NameServers, c.dialConfig())
	c.cluster = newCluster(c)
	c.puller = newPuller(c)
	c.poppers = newPoppers(c)
	c.acker = newAcker(c)
	c.returner = &returner{c: c}
	c.canaries = &canaries{c: c, stalled: make(map[string]time.Time), denied: make(map[string]error), trying: make(map[string]bool)}
	c.topics = newTopics(c)
	if cfg.DirectSend {
		c.sender = &directSender{c: c}
	} else {
		c.sender = newLibrarySender(c)
	}
	if cfg.Registerer != nil {
		register(cfg.Registerer, prometheus.Collector(newLinkStates(c)))
	}
	return c, nil
}

func (c *Client) dialConfig() remoting.DialConfig {
	return remoting.DialConfig{Credentials: c.cfg.credentials(), TLS: c.cfg.TLS, Logger: c.cfg.Logger, Dial: c.cfg.Dial}
}

// remedy is what Config.Explain says of an error.
func (c *Client) remedy(err error) string {
	if c.cfg.Explain == nil || err == nil {
		return ""
	}
	return c.cfg.Explain(err)
}

// startWait is how long Start waits for a first look at the cluster.
const startWait = 3 * time.Second

// Start starts the client's goroutines. The cluster need not be up; Start only
// gives it a moment, so that usually brokers are known and
// connected when it returns. An
// error means that the client was started or closed before.
func (c *Client) Start(ctx context.Context) error {
	c.mu.Lock()
	if c.started || c.closed {
		c.mu.Unlock()
		return errors.New("start rocketmq client: started or closed before")
	}
	c.started = true
	c.wg.Go(func() { c.cluster.loop(c.ctx) })
	c.puller.start()
	if c.cfg.CanaryEvery > 0 {
		c.wg.Go(func() { c.canaries.loop(c.ctx) })
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	select {
	case <-c.cluster.first:
	case <-ctx.Done():
	}
	for _, b := range c.Brokers() {
		if _, err := c.cluster.link(b.Name).control.wait(ctx); err != nil {
			break // it goes on connecting
		}
	}
	return nil
}

// Close refuses new work, lets sends, acknowledgements and returns under way
// end, and joins everything. ctx bounds the waiting; sends left then end with
// ErrUnknown. Cancel Pops before: what is handed out now comes back only after
// its invisible time.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	c.quietLocked()
	c.mu.Unlock()
	c.poppers.stop() // while connections live: what is handed out now goes back
	var err error
	select {
	case <-c.idle:
	case <-ctx.Done():
		err = fmt.Errorf("close rocketmq client: work under way: %w", context.Cause(ctx))
	}
	c.cancel(ErrStopped)
	c.wg.Wait()
	c.acker.stop()
	c.puller.deliver.stop()
	if first {
		c.sender.close()
		c.names.close()
	}
	return err
}

// beginSend counts a send; it is refused when closed or too many are under way.
func (c *Client) beginSend() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrStopped
	}
	if c.sending >= c.cfg.MaxInFlight {
		return ErrBusy
	}
	c.sending++
	return nil
}

func (c *Client) endSend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sending--
	c.quietLocked()
}

// quietLocked tells Close that nothing is under way any more.
func (c *Client) quietLocked() {
	if c.closed && !c.quiet && c.sending == 0 && c.working == 0 {
		c.quiet = true
		close(c.idle)
	}
}

// work counts acknowledgements and returns that begin, or end with n below 0.
func (c *Client) work(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.working += n
	c.quietLocked()
}

// Call sends cmd to the master named broker over its connection for short
// requests, waiting for a connection if there is none, and returns the answer,
// whatever its code.
func (c *Client) Call(ctx context.Context, broker string, cmd *remoting.Command) (*remoting.Command, error) {
	conn, err := c.cluster.link(broker).control.wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to broker %s: %w", broker, err)
	}
	return conn.Do(ctx, cmd)
}

// CallNameServer sends cmd to the first name server that answers.
func (c *Client) CallNameServer(ctx context.Context, cmd *remoting.Command) (*remoting.Command, error) {
	return c.names.do(ctx, cmd)
}

func (c *Client) heartbeat() *remoting.Command {
	// Encoding a heartbeat of two strings cannot fail.
	body, _ := remoting.Heartbeat{ClientID: c.cfg.InstanceID, Producers: []remoting.ProducerGroup{{Name: c.cfg.ProducerGroup}}}.Encode()
	return remoting.NewRequest(remoting.HeartBeat, nil, body)
}
