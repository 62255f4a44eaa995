package dispatch

import (
	"context"
	"errors"
	"sync"
)

// errNoRoute says that a route just looked up is gone again.
var errNoRoute = errors.New("route of rocketmq topic is not known")

// picks asks for the routes of RocketMQ topics that the producer does not know yet: one look-up for all jobs that wait
// for the same topic.
type picks struct {
	d       *Dispatcher
	workers workers

	mu      sync.Mutex // protects waiting
	waiting map[string][]*job
}

// want calls the job's picked once the route of its topic was asked for.
func (p *picks) want(j *job, topic string) {
	p.mu.Lock()
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

// ask looks the route up. Each job then chooses its own queue from it, without waiting.
func (p *picks) ask(topic, hashKey string) {
	ctx, cancel := context.WithTimeout(p.d.ctx, min(pickTimeout, p.d.cfg.PublishTimeout))
	defer cancel()
	_, err := p.d.producer.Pick(ctx, topic, hashKey)
	p.mu.Lock()
	jobs := p.waiting[topic]
	delete(p.waiting, topic)
	p.mu.Unlock()
	for _, j := range jobs {
		if err != nil {
			p.d.unplaced(j, topic, err)
			continue
		}
		if at, ok := p.d.producer.TryPick(topic, j.pub.Message.Topic); ok {
			p.d.placed(j, at)
			continue
		}
		p.d.unplaced(j, topic, errNoRoute)
	}
}
