package rocketmq

import "time"

// TryPickQueue is PickQueue without waiting: false says that the queues of the topic are not known yet, or so long ago
// that they are to be asked for again.
func (c *Client) TryPickQueue(topic, hashKey string) (Queue, bool) {
	c.topics.mu.Lock()
	r := c.topics.known[topic]
	c.topics.mu.Unlock()
	if r == nil || len(r.queues) == 0 || time.Since(r.at) > c.cfg.RefreshEvery {
		return Queue{}, false
	}
	return pick(c.sound(r.queues), hashKey), true
}
