package push

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"lmqgate/meta/access"
	"lmqgate/meta/message"
	"lmqgate/meta/push"
	"lmqgate/meta/session"
)

// job is a target that this instance has the lease of: one goroutine, and one for each of its lanes.
type job struct {
	s      *Service
	name   string
	hard   context.Context // ends what is under way
	abort  context.CancelFunc
	cancel context.CancelFunc
	done   chan struct{}
	fresh  chan struct{} // the target has another version

	mu     sync.Mutex // protects the fields below
	rev    int64      // of the version that was looked at last
	state  push.State // news, with counts since the last report
	newsy  bool
	under  int       // messages under way
	waits  int       // of them, those that wait for another attempt
	last   time.Time // when something happened
	paused time.Time // nothing is to be sent before
}

// begin works a target. Called under s.mu.
func (s *Service) begin(name string) *job {
	j := &job{s: s, name: name, done: make(chan struct{}), fresh: make(chan struct{}, 1), last: s.cfg.Now()}
	ctx, cancel := context.WithCancel(s.soft)
	j.hard, j.abort = context.WithCancel(s.hard)
	j.cancel = cancel
	if st, ok := s.owed[name]; ok {
		j.state.Delivered, j.state.Failed, j.state.Dead, j.newsy = st.Delivered, st.Failed, st.Dead, true
		delete(s.owed, name)
	}
	go func() {
		defer close(j.done)
		defer cancel()
		defer j.abort()
		j.run(ctx)
	}()
	return j
}

// stop returns when what is under way has ended.
func (j *job) stop() {
	j.cancel()
	<-j.done
}

// drop ends what is under way: it is another instance's now.
func (j *job) drop() {
	j.abort()
	j.stop()
}

// changed tells of the version that the store has.
func (j *job) changed(rev int64) {
	j.mu.Lock()
	same := j.rev == rev
	j.mu.Unlock()
	if same {
		return
	}
	select {
	case j.fresh <- struct{}{}:
	default:
	}
}

// run works the target in its present version, until ctx ends.
func (j *job) run(ctx context.Context) {
	last := int64(0)
	for pause := firstPause; ctx.Err() == nil; pause = min(2*pause, lastPause) {
		began := j.s.cfg.Now()
		if settled := j.turn(ctx); settled { // nothing to do before it changes
			select {
			case <-j.fresh:
			case <-ctx.Done():
			}
			pause = firstPause
			continue
		}
		if rev := j.version(); rev != last || j.s.cfg.Now().Sub(began) > time.Minute {
			pause, last = firstPause, rev
		}
		select { // a change is looked at at once
		case <-j.fresh:
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func (j *job) version() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.rev
}

// turn works the target until something comes in between, and reports whether there is nothing to do before it changes.
func (j *job) turn(ctx context.Context) bool {
	call, cancel := context.WithTimeout(ctx, callTime)
	t, st, err := j.s.cfg.Store.Get(call, j.name)
	cancel()
	switch {
	case errors.Is(err, push.ErrNotFound):
		return true
	case err != nil:
		j.s.cfg.Logger.Debug("reading a push target failed", "target", j.name, "error", err)
		return false
	}
	j.note(func() { j.rev = t.Rev })
	switch {
	case t.Deleted:
		rest(ctx, cleanLater) // whoever deleted it is at it
		err := j.s.clean(ctx, t)
		if err != nil {
			j.s.cfg.Logger.Debug("ending the session of a push target failed", "target", j.name, "error", err)
		}
		return err == nil
	case st.Stopped != "" && st.Rev == t.Rev:
		return true
	}
	j.note(func() {
		if j.state.Rev == 0 { // go on with what others have seen
			st.Delivered, st.Failed, st.Dead, st.Stopped = j.state.Delivered, j.state.Failed, j.state.Dead, ""
			j.state = st
		}
		j.state.Rev = t.Rev
	})
	err = j.work(ctx, t)
	var gone *goneError
	switch {
	case ctx.Err() != nil:
		return true
	case errors.As(err, &gone):
		j.s.cfg.Logger.Warn("push target stopped", "target", j.name, "reason", gone.Error())
		j.note(func() { j.state.Stopped, j.newsy = gone.Error(), true })
		j.s.tell(ctx, j)
		return true
	case errors.Is(err, message.ErrTakenOver): // by a new version, or another instance that has the lease now
		j.s.again()
	case err != nil:
		j.s.cfg.Logger.Debug("working a push target was interrupted", "target", j.name, "error", err)
		if !errors.Is(err, message.ErrGoing) {
			j.note(func() {
				j.state.LastStatus, j.state.LastError, j.state.LastFailure, j.newsy = 0, err.Error(), j.s.cfg.Now().UnixMilli(), true
			})
		}
	}
	return false
}

// goneError says that the receiver wants no more.
type goneError struct{ words string }

func (e *goneError) Error() string { return e.words }

// request is what a target reads.
func request(t *push.Target) message.ReadRequest {
	// Without a user name an operator says what is read, who may read everything.
	id := access.Identity{Username: t.Username, Tenant: t.Tenant, Method: "push", Operator: t.Username == "" && t.Tenant == ""}
	return message.ReadRequest{
		Name: SessionPrefix + t.Name, Identity: id, Filters: t.Filters, QoS: 1, Expiry: session.Never,
		Window: min(2*t.Concurrency, math.MaxUint16),
	}
}

// clean ends the session of a target that was deleted, and takes it away.
func (s *Service) clean(ctx context.Context, t push.Target) error {
	q := request(&t)
	q.Clean, q.Expiry = true, 0
	reading, err := s.cfg.Reader.Open(ctx, q)
	var filter *message.FilterError
	if err != nil && !errors.As(err, &filter) { // with that one the session began anew, and has ended
		return err
	}
	if reading != nil {
		if err := reading.Close(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return s.cfg.Store.Remove(ctx, t.Name, t.Rev)
}

// note changes the job's fields.
func (j *job) note(fn func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = j.s.cfg.Now()
	fn()
}

// delivered counts a message that was taken.
func (j *job) delivered(o outcome) {
	j.s.metrics.done.Add(1)
	j.note(func() {
		j.state.Delivered++
		j.state.LastStatus, j.state.LastSuccess, j.newsy = o.status, j.s.cfg.Now().UnixMilli(), true
	})
}

// failed counts an attempt that failed.
func (j *job) failed(o outcome) {
	j.note(func() {
		j.state.Failed++
		j.state.LastStatus, j.state.LastError, j.state.LastFailure, j.newsy = o.status, o.words, j.s.cfg.Now().UnixMilli(), true
		if at := j.s.cfg.Now().Add(o.pause); o.pause > 0 && at.After(j.paused) {
			j.paused = at
		}
	})
}

// news is what was not reported yet.
func (j *job) news() (push.State, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	st, news := j.state, j.newsy
	st.Instance = j.s.cfg.Instance
	j.state.Delivered, j.state.Failed, j.state.Dead, j.newsy = 0, 0, 0, false
	return st, news
}

// untold takes counts back that could not be reported.
func (j *job) untold(st push.State) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.Delivered += st.Delivered
	j.state.Failed += st.Failed
	j.state.Dead += st.Dead
	j.newsy = true
}

func (j *job) load() (under, waits int, last time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.under, j.waits, j.last
}
