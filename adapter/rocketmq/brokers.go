package rocketmq

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// Broker is a master.
type Broker struct {
	Name, Addr, Cluster string
	// Version is what the broker says of itself, "V5_4_0"; empty until asked.
	Version string
}

// cluster knows the masters and keeps a link to each that was ever seen.
type cluster struct {
	c     *Client
	first chan struct{} // closed after the first answer of a name server
	kick  chan struct{} // capacity 1: refresh soon

	telling sync.Mutex // held while listeners are called, so one change at a time

	mu        sync.Mutex // protects the fields below
	brokers   map[string]Broker
	links     map[string]*link
	listeners []func(added, removed []Broker)
}

func newCluster(c *Client) *cluster {
	return &cluster{
		c: c, first: make(chan struct{}), kick: make(chan struct{}, 1),
		brokers: make(map[string]Broker), links: make(map[string]*link),
	}
}

// Brokers returns the masters of the cluster, sorted by name.
func (c *Client) Brokers() []Broker {
	c.cluster.mu.Lock()
	defer c.cluster.mu.Unlock()
	return sorted(c.cluster.brokers)
}

func sorted(m map[string]Broker) []Broker {
	return slices.SortedFunc(maps.Values(m), func(a, b Broker) int { return cmp.Compare(a.Name, b.Name) })
}

// Boot is a number that grows whenever a connection to the broker was lost. What is read while it stays the same comes from
// one run of one process; with another one the broker may have been started again, or another one have taken its
// place, without the end of its log.
func (c *Client) Boot(broker string) uint64 { return c.cluster.link(broker).boot.Load() }

// OnBrokers has fn called whenever masters appear, disappear or change their
// address (then a broker is in both lists), one call at a time; first with
// those known already, if any. fn must not block and not call
// OnBrokers.
func (c *Client) OnBrokers(fn func(added, removed []Broker)) {
	c.cluster.telling.Lock()
	defer c.cluster.telling.Unlock()
	c.cluster.mu.Lock()
	known := sorted(c.cluster.brokers)
	c.cluster.listeners = append(c.cluster.listeners, fn)
	c.cluster.mu.Unlock()
	if len(known) > 0 {
		fn(known, nil)
	}
}

// refreshSoon asks for a refresh ahead of time.
func (k *cluster) refreshSoon() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

// loop keeps the brokers up to date until ctx ends. Early refreshes keep a
// second's distance.
func (k *cluster) loop(ctx context.Context) {
	warned := false
	for failures := 0; ctx.Err() == nil; {
		err := k.refresh(ctx)
		wait := jitter(k.c.cfg.RefreshEvery)
		if err == nil {
			if failures > 0 && warned {
				k.c.cfg.Logger.Info("name server answers again")
			}
			failures, warned = 0, false
			if len(k.c.Brokers()) == 0 {
				wait = time.Second
			}
		} else {
			failures++
			wait = backoff(failures, 200*time.Millisecond, 5*time.Second)
			k.c.cfg.Logger.Debug("refresh brokers", "error", err) // without brokers, who calls Ready knows
			if known := len(k.c.Brokers()); known > 0 && !warned && ctx.Err() == nil {
				warned = true
				k.c.cfg.Logger.Warn("no name server answers, going on with the brokers known", "brokers", known, "error", err)
			}
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-t.C:
		case <-k.kick:
			_ = sleep(ctx, min(wait, time.Second))
		}
		t.Stop()
	}
}

// ask returns the masters that a name server knows now.
func (k *cluster) ask(ctx context.Context) (map[string]Broker, error) {
	answer, err := k.c.names.do(ctx, remoting.NewRequest(remoting.GetBrokerClusterInfo, nil, nil))
	if err != nil {
		return nil, err
	}
	if answer.Code != remoting.Success {
		return nil, fmt.Errorf("cluster information: %w", answerError(answer))
	}
	info, err := remoting.DecodeClusterInfo(answer.Body)
	if err != nil {
		return nil, err
	}
	found := make(map[string]Broker)
	for name, data := range info.Brokers {
		if addr := data.Addrs[remoting.MasterID]; addr != "" {
			found[name] = Broker{Name: name, Addr: addr, Cluster: data.Cluster}
		}
	}
	return found, nil
}

func (k *cluster) refresh(ctx context.Context) error {
	found, err := k.ask(ctx)
	if err != nil {
		return err
	}
	k.apply(found)
	return nil
}

// apply makes found the masters, tells links their addresses and listeners the
// difference.
func (k *cluster) apply(found map[string]Broker) {
	k.telling.Lock()
	defer k.telling.Unlock()
	added, removed, listeners := k.replace(found)
	for _, b := range removed {
		k.c.cfg.Logger.Info("broker gone", "broker", b.Name, "addr", b.Addr)
	}
	for _, b := range added {
		k.c.cfg.Logger.Info("broker found", "broker", b.Name, "addr", b.Addr)
	}
	if len(added)+len(removed) == 0 {
		return
	}
	for _, fn := range listeners {
		fn(added, removed)
	}
}

// replace makes found the masters and returns the difference.
func (k *cluster) replace(found map[string]Broker) (added, removed []Broker, listeners []func(added, removed []Broker)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, old := range k.brokers {
		if now, ok := found[name]; !ok || now.Addr != old.Addr {
			removed = append(removed, old)
		}
	}
	for name, now := range found {
		if old, ok := k.brokers[name]; !ok || now.Addr != old.Addr {
			added = append(added, now)
		} else {
			now.Version = old.Version
			found[name] = now
		}
		k.linkLocked(name).setAddr(now.Addr)
	}
	k.brokers = found
	select {
	case <-k.first:
	default:
		close(k.first)
	}
	return added, removed, k.listeners
}

// setVersion notes what a broker says of itself.
func (k *cluster) setVersion(name, version string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if b, ok := k.brokers[name]; ok {
		b.Version = version
		k.brokers[name] = b
	}
}

// link returns the link of a broker. One for a name not seen yet waits until
// the name appears.
func (k *cluster) link(name string) *link {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.linkLocked(name)
}

func (k *cluster) linkLocked(name string) *link {
	l := k.links[name]
	if l == nil {
		l = newLink(k.c, name)
		k.links[name] = l
	}
	return l
}
