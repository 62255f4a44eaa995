package dispatch

import (
	"sync"

	"lmqgate/meta/message"
)

// Lane keeps the order of one publisher. Its publications form lines, one for each MQTT topic with anything under way;
// only the head of a line is sent.
//
// A publication of QoS 1 or 2 that ends with any error but ErrRefused and ErrBusy breaks its line: those waiting behind
// it, and any later one of that topic, end with ErrUnavailable and are not sent. Otherwise a publisher that repeats the
// failed one, as MQTT clients do after the connection closed [MQTT-4.4.0-1], would find its order changed [MQTT-4.6.0-5].
// So the lane's owner closes its connection on such an error.
type Lane struct {
	d *Dispatcher

	mu        sync.Mutex       // protects all below, and the lines and jobs of this lane
	one       *line            // a line: most publishers use one topic at a time and need no map
	more      map[string]*line // further lines by topic, nil when there are none
	abandoned bool
}

// line is the queue of one topic. It exists while it has jobs, or for good once it is broken.
type line struct {
	topic      string
	head, tail *job
	pumping    bool // a goroutine is in pump and will see what changes
	broken     bool
}

// Publish implements message.Lane. It never blocks; Done may be called before it returns. It sets Message.Key and
// Message.BornMillis where they are unset. Beyond Config.MaxInFlight or MaxInFlightBytes, Done gets ErrBusy at once and
// nothing is sent; the line is not broken, its owner knows before it publishes anything further.
func (l *Lane) Publish(p *message.Publication) {
	d := l.d
	j := newJob(l, p)
	if err := d.inflight.admit(j); err != nil {
		d.metrics.count(p.Message.QoS, err, false)
		p.Done(message.Result{}, err)
		return
	}
	l.mu.Lock()
	ln := l.lineOf(p.Message.Topic)
	ln.append(j)
	gone := ln.broken || l.abandoned && j.reliable()
	l.mu.Unlock()
	if gone {
		d.pump(l, ln)
		return
	}
	d.match(j)
	d.place(j)
}

// Abandon says that another connection has taken the publisher's session over and repeats its unacknowledged
// publications: what is QoS 1 or 2 and not under way to the broker at this moment ends with ErrUnavailable and is not
// sent, nor is anything sent again. The session's epoch fences Prepare; this fences the retries behind it. QoS 0 is not concerned.
func (l *Lane) Abandon() {
	l.mu.Lock()
	l.abandoned = true
	lines := make([]*line, 0, len(l.more)+1)
	if l.one != nil {
		lines = append(lines, l.one)
	}
	for _, ln := range l.more {
		lines = append(lines, ln)
	}
	l.mu.Unlock()
	for _, ln := range lines {
		l.d.pump(l, ln)
	}
}

// lineOf finds or makes the line of a topic. l.mu is held.
func (l *Lane) lineOf(topic string) *line {
	if l.one != nil && l.one.topic == topic {
		return l.one
	}
	if ln := l.more[topic]; ln != nil {
		return ln
	}
	ln := &line{topic: topic}
	if l.one == nil {
		l.one = ln
		return ln
	}
	if l.more == nil {
		l.more = make(map[string]*line)
	}
	l.more[topic] = ln
	return ln
}

// drop forgets an empty line; a broken one stays. l.mu is held.
func (l *Lane) drop(ln *line) {
	if ln.broken {
		return
	}
	if l.one == ln {
		l.one = nil
		return
	}
	if l.more[ln.topic] != ln {
		return
	}
	delete(l.more, ln.topic)
	if len(l.more) == 0 {
		l.more = nil
	}
}

func (ln *line) append(j *job) {
	j.line = ln
	if ln.head == nil {
		ln.head = j
	} else {
		ln.tail.next = j
	}
	ln.tail = j
}

func (ln *line) removeHead() {
	j := ln.head
	ln.head, j.next = j.next, nil
	if ln.head == nil {
		ln.tail = nil
	}
}
