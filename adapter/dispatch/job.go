package dispatch

import (
	"fmt"
	"time"

	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// job is one publication under way. Fields below "lane" are protected by lane.mu; those of the production stages are
// written by the goroutine in pump, or by the callback of the one operation under way, so pump reads them without it.
type job struct {
	pub      *message.Publication
	arrived  time.Time
	deadline time.Time
	cost     int64

	older, newer *job // in inflight, protected by inflight.mu
	listed       bool

	trace Trace // nil: nobody follows

	lane *Lane
	line *line
	next *job // behind this one on the line

	finished bool  // Done was called, or is about to be; callbacks that come later change nothing
	expired  bool  // the deadline passed, or Close gave up
	failed   error // ends the job once it is at the head
	unkept   error // why a message that was to be retained is not; it is sent all the same
	cause    error // last error that was retried

	// Preparation, from arrival on; of a message to be retained the match only once it is kept.
	matched bool
	lmqs    []string // sorted, unique
	topic   string   // RocketMQ topic, the fallback after ErrNoTopic
	placed  bool
	at      message.Place
	ready   bool // Prepare's word has come
	tries   int  // retries of preparation

	// Production, at the head of the line.
	stage   stage
	op      op
	retries int // of the operation of this stage
	missed  int // look-ups of this stage that found nothing
	sent    int // parts acknowledged
	resumed bool
	sound   bool // checked before it is kept
	unknown bool // some send had an unknown outcome: the place may not change any more
	parts   []Outgoing
	since   time.Time // first send
}

// stage is what the head of a line does next.
type stage uint8

const (
	stageEncode    stage = iota // build the parts
	stageSend                   // send parts[sent]
	stageLookUp                 // is parts[sent] stored?
	stageRepeat                 // is any part of an earlier attempt stored?
	stageWasSplit               // one is: was that attempt split?
	stageWasWhole               // it was: is its last part stored?
	stageRetain                 // the first one of a message to be retained: keep it, then match
	stageSucceeded              // everything is done
)

// op is the one operation of the head that is waited for.
type op uint8

const (
	opNone op = iota
	opSend
	opFind
	opPause
	opRetain
)

// messageOverhead is what a waiting publication is taken to cost beside its bytes.
const messageOverhead = 1024

func newJob(l *Lane, p *message.Publication) *job {
	m, cfg := p.Message, &l.d.cfg
	now := cfg.Now()
	if m.BornMillis == 0 {
		m.BornMillis = now.UnixMilli()
	}
	if m.Key == "" {
		m.Key = l.d.producer.NewKey()
	}
	j := &job{lane: l, pub: p, arrived: now, deadline: now.Add(cfg.PublishTimeout), since: now}
	j.cost = int64(messageOverhead + len(m.Payload) + len(m.Topic) + len(m.Properties.CorrelationData))
	for _, u := range m.Properties.User {
		j.cost += int64(len(u.Key) + len(u.Value))
	}
	if p.Repeat && !p.Since.IsZero() {
		j.since = p.Since
	}
	j.topic = topic.RocketMQTopic(m.Topic, cfg.Fallback, cfg.allowed)
	if cfg.Tracer != nil {
		j.trace = cfg.Tracer.Publish(m, j.topic, now)
	}
	if l.d.retains(m) {
		j.stage = stageRetain
	}
	return j
}

// reliable reports whether the publisher waits for an acknowledgement.
func (j *job) reliable() bool { return j.pub.Message.QoS > 0 }

// pinned reports whether the place must stay: another queue could hold the message already, or Prepare has recorded it.
func (j *job) pinned() bool {
	return j.pub.Place != nil || j.pub.Prepare != nil || j.pub.Message.QoS == 2 || j.unknown || j.sent > 0
}

// over reports whether the publisher has gone and whether the job's time is over, which is asked right before each write
// and each send: whoever published the message repeats it then, maybe on another instance, and goes on; a late word would
// put the old one behind a newer one. lane.mu is not held.
func (j *job) over(now time.Time) (gone, late bool) {
	return j.pub.Abandoned != nil && j.pub.Abandoned(), !j.deadline.After(now)
}

// giveUp ends a job that is over. lane.mu is held.
func (j *job) giveUp(gone, late bool) {
	j.op, j.expired = opNone, j.expired || late
	if gone {
		j.failed = message.ErrAbandoned
	}
}

// unavailable is the error of a job that ends without success for no fault of its own.
func (j *job) unavailable(what string) error {
	if j.cause != nil {
		return fmt.Errorf("%s: %w: %w", what, message.ErrUnavailable, j.cause)
	}
	return fmt.Errorf("%s: %w", what, message.ErrUnavailable)
}
