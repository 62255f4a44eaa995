package dispatch

import (
	"fmt"
	"sync"
	"time"

	"lmqgate/meta/message"
)

// inflight holds every admitted job in order of arrival, which is also the order of their deadlines since all have the
// same time to live: one timer watches the oldest. It bounds their number and bytes.
type inflight struct {
	cfg     Config
	metrics *metrics
	expire  func([]*job) // called without mu

	mu             sync.Mutex // protects all below and the list fields of jobs
	oldest, newest *job
	count          int
	bytes          int64
	timer          *time.Timer
	armed          bool
	idle           chan struct{} // nil until close; closed once count is 0
}

func newInflight(cfg Config, m *metrics, expire func([]*job)) *inflight {
	return &inflight{cfg: cfg, metrics: m, expire: expire}
}

// admit takes a job in, or says why not: ErrBusy, or ErrUnavailable after close.
func (f *inflight) admit(j *job) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.idle != nil {
		return fmt.Errorf("dispatch is closed: %w", message.ErrUnavailable)
	}
	if f.count >= f.cfg.MaxInFlight || f.bytes >= f.cfg.MaxInFlightBytes {
		return message.ErrBusy
	}
	f.count++
	f.bytes += j.cost
	f.push(j)
	if !f.armed {
		f.arm(f.cfg.PublishTimeout)
	}
	f.metrics.inflight.Inc()
	return nil
}

// release lets a finished job go.
func (f *inflight) release(j *job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unlink(j)
	f.count--
	f.bytes -= j.cost
	f.metrics.inflight.Dec()
	if f.count == 0 && f.idle != nil {
		close(f.idle)
	}
}

// close admits nothing further; the channel closes when nothing is left. A second call returns the same channel.
func (f *inflight) close() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.idle == nil {
		f.idle = make(chan struct{})
		if f.count == 0 {
			close(f.idle)
		}
	}
	return f.idle
}

// all returns the jobs that are left.
func (f *inflight) all() []*job {
	f.mu.Lock()
	defer f.mu.Unlock()
	var jobs []*job
	for j := f.oldest; j != nil; j = j.newer {
		jobs = append(jobs, j)
	}
	return jobs
}

// arm sets the timer. f.mu is held.
func (f *inflight) arm(d time.Duration) {
	f.armed = true
	if f.timer == nil {
		f.timer = time.AfterFunc(d, f.fire)
		return
	}
	f.timer.Reset(d)
}

// fire takes jobs past their deadline off the list and expires them. It stays unarmed only when the list is empty.
func (f *inflight) fire() {
	now := f.cfg.Now()
	var jobs []*job
	f.mu.Lock()
	for f.oldest != nil && !f.oldest.deadline.After(now) {
		jobs = append(jobs, f.oldest)
		f.unlink(f.oldest)
	}
	f.armed = false
	if f.oldest != nil {
		f.arm(max(f.oldest.deadline.Sub(now), time.Millisecond))
	}
	f.mu.Unlock()
	if len(jobs) > 0 {
		f.expire(jobs)
	}
}

// stop ends the timer; nothing may be admitted any more.
func (f *inflight) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
	}
}

func (f *inflight) push(j *job) {
	j.listed = true
	j.older = f.newest
	if f.newest == nil {
		f.oldest = j
	} else {
		f.newest.newer = j
	}
	f.newest = j
}

func (f *inflight) unlink(j *job) {
	if !j.listed {
		return
	}
	j.listed = false
	if j.older == nil {
		f.oldest = j.newer
	} else {
		j.older.newer = j.newer
	}
	if j.newer == nil {
		f.newest = j.older
	} else {
		j.newer.older = j.older
	}
	j.older, j.newer = nil, nil
}
