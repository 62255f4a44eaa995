// Package push delivers what is published to topic filters by HTTP requests to URLs.
//
// A push target (meta/push) is kept in Redis. One instance at a time works it, the owner of its lease: it reads through
// message.Reader, as the MQTT client `$push/<name>` with QoS 1 and a session without end, and acknowledges what was taken, with
// 2xx. So the place up to which was delivered is the session's, in Redis; when an instance dies, the next one goes on there
// within the length of a lease. The session's fence makes an owner that was paused stop: somebody else has the
// session by then. Every message published with QoS 1 or 2 is delivered at least once, in the order of its topic.
//
// What is not taken is tried again with growing pauses, until it was, or until its age or the number of attempts is over:
// then it is published to the target's dead-letter topic, with the reason, or dropped where there is none. 410 stops a target,
// Retry-After pauses it. At most Concurrency messages of a target are under way, and about as many wait in memory; all others
// wait in the log.
package push

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/meta/message"
	"lmqgate/meta/push"
)

// SessionPrefix begins the client ids of push targets.
const SessionPrefix = "$push/"

// EventsTarget is the name of the target that the environment makes (EVENTS_URL); nobody else may.
const EventsTarget = "events"

// Client calls URLs that others chose; outgoing.Client does.
type Client interface {
	http.RoundTripper
	// Check says what is wrong with a URL, for the person who gave it.
	Check(url string) error
}

// Config of a Service.
type Config struct {
	Store    push.Store
	Reader   message.Reader
	Lanes    message.Lanes // for dead letters
	Client   Client
	Instance string // the owner's name
	// Events is the target of the environment; nil: there is none, and one of earlier days is taken away.
	Events     *push.Target
	Most       int    // targets at all; 0 is 1,000
	Origin     string // who calls, for the handshake; "" is "lmqgate"
	Now        func() time.Time
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Times of a service.
const (
	leaseTime  = 15 * time.Second
	lookEvery  = 5 * time.Second
	callTime   = 5 * time.Second // of one call of the store
	lastCalls  = time.Second     // of calls when a job has ended
	firstPause = 200 * time.Millisecond
	lastPause  = 10 * time.Second
	cleanLater = time.Second
	quiet      = 2 * time.Second // with nothing to do, after which Settle believes that nothing is left
)

// Service works push targets between Start and Stop. It is safe for concurrent use.
type Service struct {
	cfg     Config
	metrics *metrics
	wake    chan struct{}   // something was written
	soft    context.Context // ends when nothing new is to be begun
	hard    context.Context // ends what is under way
	end     context.CancelFunc
	abort   context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex // protects the fields below
	list  []push.Target
	rev   int64
	jobs  map[string]*job
	owed  map[string]push.State // counts of jobs that ended while the store did not answer
	until time.Time             // of the leases
	round chan struct{}         // closed and replaced when a round has ended
}

// New returns a service that does nothing yet.
func New(cfg Config) *Service {
	if cfg.Most <= 0 {
		cfg.Most = 1000
	}
	if cfg.Origin == "" {
		cfg.Origin = "lmqgate"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: cfg, wake: make(chan struct{}, 1), jobs: make(map[string]*job), owed: make(map[string]push.State), rev: -1, round: make(chan struct{})}
	s.soft, s.end = context.WithCancel(context.Background())
	s.hard, s.abort = context.WithCancel(context.Background())
	s.metrics = newMetrics(cfg.Registerer, s)
	return s
}

// Start works until Stop. Call it once, or not at all.
func (s *Service) Start() { s.running.Go(s.run) }

func (s *Service) run() {
	ctx := s.soft
	s.settleEvents(ctx)
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for ctx.Err() == nil {
		if err := s.once(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.Debug("looking after push targets failed", "error", err)
		}
		s.mu.Lock()
		close(s.round)
		s.round = make(chan struct{})
		s.mu.Unlock()
		select {
		case <-look.C:
		case <-s.wake:
		case <-ctx.Done():
		}
	}
	s.leave()
}

// Stop ends that: no further attempt is made, those under way may take as long as ctx lasts. It returns when that is done.
func (s *Service) Stop(ctx context.Context) {
	s.end()
	defer context.AfterFunc(ctx, s.abort)()
	s.running.Wait()
	s.abort()
}

// again has run look at once.
func (s *Service) again() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// settleEvents brings the target of the environment into the store.
func (s *Service) settleEvents(ctx context.Context) {
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, lastPause) {
		err := s.writeEvents(ctx)
		if err == nil {
			return
		}
		s.cfg.Logger.Debug("writing the target of events failed", "error", err)
		rest(ctx, pause)
	}
}

func (s *Service) writeEvents(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	old, _, err := s.cfg.Store.Get(ctx, EventsTarget)
	switch missing := errors.Is(err, push.ErrNotFound); {
	case err != nil && !missing:
		return err
	case s.cfg.Events == nil && (missing || old.Deleted):
		return nil
	case s.cfg.Events == nil:
		old.Deleted = true
		_, err = s.cfg.Store.Put(ctx, old, push.Expect{Rev: old.Rev}, s.cfg.Most)
		return err
	}
	t := *s.cfg.Events
	t.Name, t.Created = EventsTarget, old.Created
	if t.Created == 0 {
		t.Created = s.cfg.Now().UnixMilli()
	}
	if old.Rev != 0 && !old.Deleted && same(old, t) {
		return nil
	}
	_, err = s.cfg.Store.Put(ctx, t, push.Expect{Any: true}, s.cfg.Most)
	return err
}

// same reports whether two targets say the same.
func same(a, b push.Target) bool {
	a.Rev, b.Rev = 0, 0
	one, err1 := a.Encode()
	two, err2 := b.Encode()
	return err1 == nil && err2 == nil && string(one) == string(two)
}

// once lists targets, asks for their leases, and begins and ends work as that says.
func (s *Service) once(ctx context.Context) error {
	err := s.look(ctx)
	if err == nil {
		err = s.elect(ctx)
	}
	if err != nil && s.cfg.Now().After(s.until) {
		s.endJobs((*job).drop, func(string) bool { return true })
	}
	s.report(ctx)
	return err
}

// look reads the list if it has changed.
func (s *Service) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	list, rev, err := s.cfg.Store.List(ctx, s.rev)
	if err != nil || list == nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.rev = list, rev
	for _, t := range list {
		if j := s.jobs[t.Name]; j != nil {
			j.changed(t.Rev)
		}
	}
	return nil
}

// elect asks for all leases in one round trip.
func (s *Service) elect(ctx context.Context) error {
	names := make([]string, len(s.list))
	for i, t := range s.list {
		names[i] = t.Name
	}
	asked := s.cfg.Now()
	call, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	mine, err := s.cfg.Store.Lease(call, names, s.cfg.Instance, leaseTime)
	if err != nil {
		return err
	}
	s.until = asked.Add(leaseTime - lookEvery/2)
	own := make(map[string]bool, len(names))
	for i, name := range names {
		own[name] = mine[i]
	}
	s.endJobs((*job).drop, func(name string) bool { return !own[name] })
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, mine := range own {
		if mine && s.jobs[name] == nil && ctx.Err() == nil {
			s.jobs[name] = s.begin(name)
		}
	}
	return nil
}

// endJobs ends those that fn names, side by side, and tells what has become of them.
func (s *Service) endJobs(end func(*job), fn func(name string) bool) {
	s.mu.Lock()
	var over []*job
	for name, j := range s.jobs {
		if fn(name) {
			over = append(over, j)
			delete(s.jobs, name)
		}
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), lastCalls)
	defer cancel()
	var all sync.WaitGroup
	for _, j := range over {
		all.Go(func() {
			end(j)
			s.tell(ctx, j)
			s.mu.Lock()
			defer s.mu.Unlock()
			if st, news := j.news(); news && len(s.owed) < s.cfg.Most {
				s.owed[j.name] = st
			}
		})
	}
	all.Wait()
}

// leave ends everything and gives the leases up.
func (s *Service) leave() {
	s.mu.Lock()
	names := make([]string, 0, len(s.jobs))
	for name := range s.jobs {
		names = append(names, name)
	}
	s.mu.Unlock()
	s.endJobs((*job).stop, func(string) bool { return true })
	ctx, cancel := context.WithTimeout(context.Background(), lastCalls)
	defer cancel()
	if _, err := s.cfg.Store.Lease(ctx, names, s.cfg.Instance, 0); err != nil { // others take over when they end
		s.cfg.Logger.Debug("giving up leases of push targets failed", "error", err)
	}
}

// report writes what has become of the targets that this instance works.
func (s *Service) report(ctx context.Context) {
	s.mu.Lock()
	jobs := make([]*job, 0, len(s.jobs))
	for _, j := range s.jobs {
		jobs = append(jobs, j)
	}
	s.mu.Unlock()
	for _, j := range jobs {
		s.tell(ctx, j)
	}
}

// tell writes what has become of one target, if there is news.
func (s *Service) tell(ctx context.Context, j *job) {
	st, news := j.news()
	if !news {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	if err := s.cfg.Store.Report(ctx, j.name, st); err != nil && !errors.Is(err, push.ErrNotFound) {
		j.untold(st)
		s.cfg.Logger.Debug("reporting a push target failed", "target", j.name, "error", err)
	}
}

// Settle returns when what could be delivered was, as far as this instance can see, or when ctx ends: it works the targets whose
// leases it gets, and waits until there is nothing to do for a while. It reports how many messages were
// delivered meanwhile, and how many still wait to be tried again.
func (s *Service) Settle(ctx context.Context) (delivered, waiting int) {
	before, began := s.metrics.done.Load(), s.cfg.Now()
	s.mu.Lock()
	round := s.round
	s.mu.Unlock()
	s.again()
	select {
	case <-round:
	case <-ctx.Done():
	}
	s.mu.Lock()
	none := len(s.jobs) == 0
	s.mu.Unlock()
	for ctx.Err() == nil && !none {
		busy, idle := s.busy()
		idle = min(idle, s.cfg.Now().Sub(began)) // what was published a moment ago may be on its way
		if busy == 0 && idle >= quiet {
			break
		}
		rest(ctx, max(quiet/8, quiet-idle))
	}
	s.report(ctx)
	_, waiting = s.waiting()
	return int(s.metrics.done.Load() - before), waiting
}

// busy counts messages under way, without those that wait for another attempt, and tells since when no job has done anything.
func (s *Service) busy() (n int, idle time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle = quiet
	for _, j := range s.jobs {
		under, waits, since := j.load()
		n += under - waits
		idle = min(idle, s.cfg.Now().Sub(since))
	}
	return n, idle
}

// waiting counts messages under way, and those of them that wait for another attempt.
func (s *Service) waiting() (under, waits int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, j := range s.jobs {
		u, w, _ := j.load()
		under, waits = under+u, waits+w
	}
	return under, waits
}

// rest waits for d or until ctx ends.
func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
