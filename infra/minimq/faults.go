package minimq

import (
	"math"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// Forever is a number of times for faults that end when they are set to 0.
const Forever = math.MaxInt

// Faults switches what goes wrong at one broker. All methods may be called at
// any time. Besides these, messages that RocketMQ chokes on do the same here: a
// dispatch list with a name that is no LMQ wedges the index, one with a name
// twice loses the message from that LMQ.
type Faults struct {
	b *Broker

	mu       sync.Mutex // protects all below
	wakeups  int
	lost     int // sends neither stored nor answered
	silent   int // sends stored and not answered
	cuts     int // sends stored, then the connection is cut
	late     int // sends stored and answered late
	lateBy   time.Duration
	busy     int // requests answered with code 2
	busyCode int32
}

// LoseWakeups loses the next n wake-ups: held pulls and POPs of a queue are not
// told of its new message. The next look at held pulls (Config.HoldCheck) finds
// it. 0 ends it.
func (f *Faults) LoseWakeups(n int) { f.set(&f.wakeups, n) }

// LoseSends drops the next n sends: not stored, never answered.
func (f *Faults) LoseSends(n int) { f.set(&f.lost, n) }

// LoseAnswers stores the next n sends and never answers.
func (f *Faults) LoseAnswers(n int) { f.set(&f.silent, n) }

// CutAfterSends stores the next n sends and cuts the connection instead of answering.
func (f *Faults) CutAfterSends(n int) { f.set(&f.cuts, n) }

// AckLate stores the next n sends at once and answers them d later.
func (f *Faults) AckLate(n int, d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late, f.lateBy = n, d
}

// Busy answers the next n requests with a code, such as remoting.SystemBusy,
// without any field.
func (f *Faults) Busy(n int, code int32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy, f.busyCode = n, code
}

// Cut closes all connections to the broker, which goes on listening.
func (f *Faults) Cut() { f.b.ep.cut() }

// Down stops the broker: its socket and connections are closed and the name
// server forgets it. What it has stored stays.
func (f *Faults) Down() { f.b.stop() }

// Up starts the broker again, at the address it had.
func (f *Faults) Up() error { return f.b.start() }

// StallIndex stops indexing while sends go on being acknowledged.
func (f *Faults) StallIndex(on bool) { f.b.store.Stall(on) }

// Unwedge drops the message whose dispatch list wedged the index.
func (f *Faults) Unwedge() { f.b.store.Unwedge() }

// DiskFull refuses sends with code 14.
func (f *Faults) DiskFull(on bool) { f.b.store.SetFull(on) }

// ResetLMQ restarts an LMQ at offset 0, as the file index does after all its
// messages have expired.
func (f *Faults) ResetLMQ(name string) { f.b.store.ResetQueue(name, 0) }

// ExpireLMQ drops the messages of an LMQ below an offset, and all other messages
// that are as old.
func (f *Faults) ExpireLMQ(name string, below int64) { f.b.store.ExpireQueue(name, 0, below) }

// ExpireAll drops all messages; offsets stay.
func (f *Faults) ExpireAll() { f.b.store.ExpireAll() }

// RollbackLMQ cuts an LMQ back to an offset: later messages are gone, their
// offsets are given out again.
func (f *Faults) RollbackLMQ(name string, to int64) { f.b.store.Rollback(name, 0, to) }

func (f *Faults) set(v *int, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*v = n
}

// take uses one up.
func take(v *int) bool {
	if *v <= 0 {
		return false
	}
	if *v != Forever {
		*v--
	}
	return true
}

// losesWakeup is asked for every arrival; those that nobody waits for do not count.
func (f *Faults) losesWakeup(a store.Arrival) bool {
	if !f.wakeupsLost() || !f.b.holds.has(queueName{a.Topic, a.QueueID}) && !f.b.pops.has(a.Topic) {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return take(&f.wakeups)
}

func (f *Faults) wakeupsLost() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wakeups > 0
}

// admit tells whether a request is handled at all.
func (f *Faults) admit(c *conn, req *remoting.Command) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if take(&f.busy) {
		c.reply(req, answer(f.busyCode, "[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while"))
		return false
	}
	return !isSend(req.Code) || !take(&f.lost)
}

// release sends a response, or does with it what the faults say.
func (f *Faults) release(c *conn, req, resp *remoting.Command) {
	if !isSend(req.Code) || resp.Code != remoting.Success {
		c.reply(req, resp)
		return
	}
	f.mu.Lock()
	silent, cut, late := take(&f.silent), take(&f.cuts), take(&f.late)
	by := f.lateBy
	f.mu.Unlock()
	switch {
	case silent:
	case cut:
		c.close()
	case late:
		f.b.timers.add(f.b.cfg.Now().Add(by), func() { c.reply(req, resp) })
	default:
		c.reply(req, resp)
	}
}
