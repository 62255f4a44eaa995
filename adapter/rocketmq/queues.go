package rocketmq

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// Queue is a writable queue of a topic on a master.
type Queue struct {
	Topic, Broker string
	ID            int
}

// topics caches the queues of topics and creates topics.
type topics struct {
	c *Client

	mu      sync.Mutex // protects the fields below
	known   map[string]*route
	flights map[string]*flight
	created int
	denied  map[string]denial // by access control, at most deniedMax
}

// denial is why a topic may not be created.
type denial struct {
	err error
	at  time.Time
}

const (
	deniedFor = 30 * time.Second // after which creation of a topic is tried again
	deniedMax = 1024
)

type route struct {
	queues []Queue
	at     time.Time
}

// flight is one look-up or creation that several callers wait for.
type flight struct {
	done   chan struct{}
	queues []Queue
	err    error
}

// lookupTimeout bounds one look-up, creation included. It outlives the caller
// that began it, since others wait for it too.
const lookupTimeout = 10 * time.Second

func newTopics(c *Client) *topics {
	return &topics{c: c, known: make(map[string]*route), flights: make(map[string]*flight), denied: make(map[string]denial)}
}

// Queues returns the writable queues of topic on masters, sorted by broker and
// id. The answer is cached and refreshed in the background of later calls. A
// topic that does not exist is created on all masters if Config.TopicAutoCreate
// says so, else the error is ErrNoTopic.
func (c *Client) Queues(ctx context.Context, topic string) ([]Queue, error) {
	if !validTopic(topic) {
		return nil, fmt.Errorf("topic %q: %w", topic, ErrNoTopic)
	}
	t := c.topics
	t.mu.Lock()
	r := t.known[topic]
	stale := r == nil || time.Since(r.at) > c.cfg.RefreshEvery
	var f *flight
	if stale {
		f = t.flightLocked(topic)
	}
	t.mu.Unlock()
	if r != nil {
		return r.queues, nil
	}
	if f == nil {
		return nil, ErrStopped
	}
	select {
	case <-f.done:
		return f.queues, f.err
	case <-ctx.Done():
		return nil, fmt.Errorf("queues of %s: %w", topic, context.Cause(ctx))
	}
}

// PickQueue chooses the queue for hashKey: always the same while the queues of
// the topic stay and no broker is stalled, and one of another broker for few keys when some come or go.
func (c *Client) PickQueue(ctx context.Context, topic, hashKey string) (Queue, error) {
	queues, err := c.Queues(ctx, topic)
	if err != nil {
		return Queue{}, err
	}
	return pick(c.sound(queues), hashKey), nil
}

// pick is rendezvous hashing; queues is not empty.
func pick(queues []Queue, key string) Queue {
	h := fnv.New64a()
	h.Write([]byte(key))
	k := h.Sum64()
	var best Queue
	var top uint64
	for i, q := range queues {
		if score := mix(k ^ mix(seed(q))); i == 0 || score > top {
			best, top = q, score
		}
	}
	return best
}

func seed(q Queue) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(q.Broker) {
		h = (h ^ uint64(q.Broker[i])) * 1099511628211
	}
	return h + uint64(q.ID)
}

// mix is the finaliser of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// validTopic tells whether a broker would take topic as a name.
func validTopic(topic string) bool {
	return topic != "" && len(topic) <= 127 && !strings.ContainsFunc(topic, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-' || r == '%' || r == '|')
	})
}

// forget makes the next call ask for the queues of topic again.
func (t *topics) forget(topic string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.known, topic)
}

// flightLocked returns the look-up under way or starts one; nil when the client
// is closed.
func (t *topics) flightLocked(topic string) *flight {
	if f := t.flights[topic]; f != nil {
		return f
	}
	t.c.mu.Lock()
	defer t.c.mu.Unlock()
	if t.c.closed {
		return nil
	}
	f := &flight{done: make(chan struct{})}
	t.flights[topic] = f
	t.c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(t.c.ctx, lookupTimeout)
		defer cancel()
		f.queues, f.err = t.find(ctx, topic)
		t.land(topic, f)
	})
	return f
}

func (t *topics) land(topic string, f *flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.flights, topic)
	switch {
	case f.err == nil:
		t.known[topic] = &route{f.queues, time.Now()}
	case errors.Is(f.err, ErrNoTopic):
		delete(t.known, topic)
	}
	close(f.done)
}

func (t *topics) find(ctx context.Context, topic string) ([]Queue, error) {
	queues, err := t.ask(ctx, topic)
	if !errors.Is(err, ErrNoTopic) || !t.c.cfg.TopicAutoCreate {
		return queues, err
	}
	if err := t.create(ctx, topic); err != nil {
		return nil, err
	}
	for n := 1; ; n++ { // the name servers learn of it from the brokers
		queues, err := t.ask(ctx, topic)
		if !errors.Is(err, ErrNoTopic) {
			return queues, err
		}
		if sleep(ctx, backoff(n, 5*time.Millisecond, 200*time.Millisecond)) != nil {
			return nil, fmt.Errorf("topic %s created but not announced: %w", topic, context.Cause(ctx))
		}
	}
}

// ask asks a name server. A topic without a writable queue on a master counts
// as not there.
func (t *topics) ask(ctx context.Context, topic string) ([]Queue, error) {
	answer, err := t.c.names.do(ctx, remoting.NewRequest(remoting.GetRouteInfoByTopic, map[string]string{
		"topic": topic, "acceptStandardJsonOnly": "true",
	}, nil))
	if err != nil {
		return nil, fmt.Errorf("queues of %s: %w", topic, err)
	}
	if answer.Code == remoting.TopicNotExist {
		return nil, fmt.Errorf("topic %s: %w", topic, ErrNoTopic)
	}
	if answer.Code != remoting.Success {
		return nil, fmt.Errorf("queues of %s: %w", topic, answerError(answer))
	}
	r, err := remoting.DecodeTopicRoute(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("queues of %s: %w", topic, err)
	}
	queues := writable(topic, r)
	if len(queues) == 0 {
		return nil, fmt.Errorf("topic %s has no writable queue: %w", topic, ErrNoTopic)
	}
	return queues, nil
}

func writable(topic string, r remoting.TopicRoute) []Queue {
	masters := make(map[string]bool)
	for _, b := range r.Brokers {
		masters[b.Name] = b.Addrs[remoting.MasterID] != ""
	}
	var queues []Queue
	for _, q := range r.Queues {
		if q.Perm&remoting.PermWrite == 0 || !masters[q.Broker] {
			continue
		}
		for id := range q.WriteNums {
			queues = append(queues, Queue{topic, q.Broker, id})
		}
	}
	slices.SortFunc(queues, func(a, b Queue) int {
		return cmp.Or(cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.ID, b.ID))
	})
	return queues
}

// create creates topic on every master.
func (t *topics) create(ctx context.Context, topic string) error {
	t.mu.Lock()
	no, denied := t.denied[topic]
	denied = denied && time.Since(no.at) < deniedFor
	full := t.created >= t.c.cfg.MaxTopics
	if !full && !denied {
		t.created++
	}
	t.mu.Unlock()
	if denied {
		return no.err
	}
	if full {
		return fmt.Errorf("topic %s: %d topics created already: %w", topic, t.c.cfg.MaxTopics, ErrNoTopic)
	}
	n, err := t.createAtAll(ctx, topic)
	if n == 0 {
		t.mu.Lock()
		t.created--
		t.mu.Unlock()
		if errors.Is(err, ErrPermission) {
			return t.deny(topic, err)
		}
		return err
	}
	t.c.metrics.topics.Inc()
	t.c.cfg.Logger.Info("topic created", "topic", topic, "brokers", n)
	return nil
}

// deny notes that access control lets nobody create topic: it is as if TopicAutoCreate were off, for a while.
func (t *topics) deny(topic string, err error) error {
	err = fmt.Errorf("%w: %w", ErrNoTopic, err)
	t.mu.Lock()
	if len(t.denied) >= deniedMax {
		clear(t.denied)
	}
	t.denied[topic] = denial{err, time.Now()}
	t.mu.Unlock()
	t.c.cfg.Logger.Warn("topic may not be created", "topic", topic, "error", err, "remedy", t.c.remedy(err))
	return err
}

// others is how long the creation of a topic waits for further brokers once one has it: one that is away does not hold it up.
const others = time.Second

// createAtAll creates a topic on all brokers at once, and returns on how many it is there; with none there is an error.
func (t *topics) createAtAll(ctx context.Context, topic string) (int, error) {
	brokers := t.c.Brokers()
	if len(brokers) == 0 {
		return 0, fmt.Errorf("create topic %s: no broker known: %w", topic, ErrNoBroker)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan error, len(brokers))
	for _, b := range brokers {
		t.c.wg.Go(func() { answers <- t.createAt(ctx, topic, b.Name) })
	}
	n, errs := 0, []error(nil)
	for range brokers {
		err := <-answers
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if n++; n == 1 {
			enough := time.AfterFunc(others, cancel)
			defer enough.Stop()
		}
	}
	return n, errors.Join(errs...)
}

func (t *topics) createAt(ctx context.Context, topic, broker string) error {
	n := strconv.Itoa(t.c.cfg.TopicQueues)
	cmd := remoting.NewRequest(remoting.UpdateAndCreateTopic, map[string]string{
		"topic": topic, "defaultTopic": "TBW102", "readQueueNums": n, "writeQueueNums": n,
		"perm": strconv.Itoa(remoting.PermRead | remoting.PermWrite), "topicFilterType": "SINGLE_TAG",
		"topicSysFlag": "0", "order": "false",
	}, nil)
	if _, err := t.c.insist(ctx, broker, cmd, func(a *remoting.Command) bool { return a.Code == remoting.Success }); err != nil {
		return fmt.Errorf("create topic %s at %s: %w", topic, broker, err)
	}
	return nil
}
