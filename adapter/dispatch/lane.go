package dispatch

import (
	"sync"

	"lmqgate/meta/message"
)

// Lane keeps the order of one publisher. Its publications form lines, one for each MQTT topic with anything under way;
// only the head of a line is sent.
//
// A publication of QoS 1 or 2 that ends with any error but ErrRefused, ErrNotRetained and ErrBusy breaks its line: those waiting behind
// it, and any later one of that topic, end with ErrUnavailable and are not sent. Otherwise a publisher that repeats the
// failed one, as MQTT clients do after the connection closed [MQTT-4.4.0-1], would find its order changed [MQTT-4.6.0-5].
// So the lane's owner closes its connection on such an error. After ErrBusy, which Publish gives before it returns, it is
// the owner who must not publish anything further to that topic before it has repeated the one turned away.
type Lane struct {
	d *Dispatcher

	mu   sync.Mutex       // protects all below, and the lines and jobs of this lane
	one  *line            // a line: most publishers use one topic at a time and need no map
	more map[string]*line // further lines by topic, nil when there are none
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
// nothing is sent; the line is not broken.
func (l *Lane) Publish(p *message.Publication) {
	d := l.d
	j := newJob(l, p)
	if err := d.inflight.admit(j); err != nil {
		d.metrics.count(p.Message.QoS, err, false)
		if j.trace != nil {
			j.trace.Done(err, 0)
		}
		p.Done(message.Result{}, err)
		return
	}
	l.mu.Lock()
	ln := l.lineOf(p.Message.Topic)
	ln.append(j)
	broken := ln.broken
	l.mu.Unlock()
	if broken {
		d.pump(l, ln)
		return
	}
	if !d.retains(p.Message) {
		d.match(j)
	}
	d.place(j)
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
