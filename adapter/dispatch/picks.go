package dispatch

import (
	"context"
	"errors"
	"sync"
	"time"

	"lmqgate/meta/message"
)

const (
	missingFor = 10 * time.Second // how long a topic that does not exist is not asked for again
	missingMax = 1024             // such topics remembered; all are forgotten when there are more
)

// picks asks for the routes of RocketMQ topics that the producer does not know yet: one look-up for all jobs that wait
// for the same topic.
type picks struct {
	d       *Dispatcher
	workers workers

	mu      sync.Mutex // protects all below
	waiting map[string][]*job
	missing map[string]time.Time // when topics that do not exist may be asked for again; never the fallback
}

// want calls the job's picked once the route of its topic was asked for.
func (p *picks) want(j *job, topic string) {
	p.mu.Lock()
	if p.d.cfg.Now().Before(p.missing[topic]) {
		p.mu.Unlock()
		p.d.unplaced(j, topic, ErrNoTopic)
		return
	}
	jobs, asking := p.waiting[topic]
	if p.waiting == nil {
		p.waiting = make(map[string][]*job)
	}
	p.waiting[topic] = append(jobs, j)
	p.mu.Unlock()
	if !asking {
		p.workers.run(func() { p.ask(topic, j.pub.Message.Topic) })
	}
}

// ask has the producer look the route up, and chooses the queue of each job that waits for it: the first may wait, the
// others find it known. They ask with Pick as well, since TryPick declines a route that is due for a refresh.
func (p *picks) ask(topic, hashKey string) {
	ctx, cancel := context.WithTimeout(p.d.ctx, min(pickTimeout, p.d.cfg.PublishTimeout))
	defer cancel()
	_, err := p.d.producer.Pick(ctx, topic, hashKey)
	jobs := p.take(topic, err)
	if err != nil {
		p.d.cfg.Logger.Debug("no route of rocketmq topic", "rocketmq_topic", topic, "waiting", len(jobs), "error", err)
	}
	for _, j := range jobs {
		var at message.Place
		if err == nil {
			at, err = p.d.producer.Pick(ctx, topic, j.pub.Message.Topic)
		}
		if err != nil {
			p.d.unplaced(j, topic, err)
			continue
		}
		p.d.placed(j, at)
	}
}

// take returns the jobs that wait for a route, and notes if it does not exist.
func (p *picks) take(topic string, err error) []*job {
	p.mu.Lock()
	defer p.mu.Unlock()
	jobs := p.waiting[topic]
	delete(p.waiting, topic)
	if errors.Is(err, ErrNoTopic) && topic != p.d.cfg.Fallback {
		p.remember(topic)
	}
	return jobs
}

// remember notes that a topic does not exist. p.mu is held.
func (p *picks) remember(topic string) {
	if p.missing == nil || len(p.missing) >= missingMax {
		p.missing = make(map[string]time.Time)
	}
	p.missing[topic] = p.d.cfg.Now().Add(missingFor)
}
