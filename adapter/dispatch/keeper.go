package dispatch

import (
	"context"
	"slices"
	"sync"

	"lmqgate/meta/message"
)

// keeper writes retained messages: one write at a time, and all that come meanwhile share the next, as far as its bounds
// go. So the store sees few calls however many lines there are, and the write of a message that was given up has returned
// before the next one of its line is written. Waiting jobs are bounded by Config.MaxInFlight, their time by PublishTimeout.
type keeper struct {
	d       *Dispatcher
	workers workers // one, while there is something to write

	mu      sync.Mutex // protects all below
	waiting []*job
	writing bool
}

// want calls kept once the job's message was written or not, unless the job ends before.
func (k *keeper) want(j *job) {
	k.mu.Lock()
	k.waiting = append(k.waiting, j)
	begin := !k.writing
	k.writing = true
	k.mu.Unlock()
	if begin {
		k.workers.run(k.run)
	}
}

// run writes until nothing waits.
func (k *keeper) run() {
	for jobs := k.next(); jobs != nil; jobs = k.next() {
		k.write(jobs)
	}
}

// next takes the jobs of the next write, nil if there are none.
func (k *keeper) next() []*job {
	k.mu.Lock()
	defer k.mu.Unlock()
	n, bytes := 0, int64(0)
	for n < min(len(k.waiting), keepMost) {
		if bytes += k.waiting[n].cost; n > 0 && bytes > keepMostBytes {
			break
		}
		n++
	}
	if n == 0 {
		k.waiting, k.writing = nil, false
		return nil
	}
	jobs := slices.Clone(k.waiting[:n])
	clear(k.waiting[:n])
	k.waiting = k.waiting[n:]
	return jobs
}

// write writes the messages of those jobs that still want it.
func (k *keeper) write(jobs []*job) {
	d := k.d
	copies := make([]message.Message, len(jobs)) // a job may end, and let go of its message, during the write
	messages := make([]*message.Message, 0, len(jobs))
	wanted := jobs[:0]
	for i, j := range jobs {
		if d.keepable(j, &copies[i]) {
			wanted, messages = append(wanted, j), append(messages, &copies[i])
		}
	}
	if len(wanted) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(d.ctx, keepTimeout)
	defer cancel()
	began := d.cfg.Now()
	errs := d.cfg.Retainer.SetAll(ctx, messages)
	d.metrics.keep.seconds.Observe(d.cfg.Now().Sub(began).Seconds())
	d.metrics.keep.batch.Observe(float64(len(messages)))
	for i, j := range wanted {
		d.kept(j, errs[i])
	}
}
