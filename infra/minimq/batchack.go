package minimq

import (
	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// batchAck acknowledges many messages. What is unknown is passed over without
// a word, as RocketMQ does.
func (b *Broker) batchAck(req *remoting.Command) *remoting.Command {
	body, err := remoting.DecodeBatchAck(req.Body)
	if err != nil && len(req.Body) > 0 {
		return answer(remoting.SystemError, err.Error())
	}
	if len(body.Runs) == 0 {
		return answer(codeNoMessage, "")
	}
	b.pops.mu.Lock()
	defer b.pops.mu.Unlock()
	for _, r := range body.Runs {
		topic := r.Topic
		switch r.Retry {
		case "1":
			topic = popRetryTopic(r.Group, r.Topic)
		case "2":
			topic = store.RetryPrefix + r.Group + "+" + r.Topic
		}
		key := checkKey{offsetKey{r.Group, topic, r.QueueID}, r.StartOffset, r.PopTime}
		for i, bits := range r.Offsets {
			for j := range 8 {
				if bits&(1<<j) != 0 {
					b.pops.done(key, r.StartOffset+int64(i*8+j))
				}
			}
		}
	}
	return ok()
}
