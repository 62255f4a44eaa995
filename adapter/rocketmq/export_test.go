package rocketmq

// PopQueues counts the queues that Pops have left behind.
func (c *Client) PopQueues() int {
	c.poppers.mu.Lock()
	defer c.poppers.mu.Unlock()
	return len(c.poppers.queues)
}
