package minimq

import (
	"encoding/json"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// lockLife is how long a queue stays locked without being locked again.
const lockLife = 60 * time.Second

// messageQueue is a queue in RocketMQ's JSON.
type messageQueue struct {
	Topic  string `json:"topic"`
	Broker string `json:"brokerName"`
	Queue  int32  `json:"queueId"`
}

// lockTable holds which client consumes a queue in order.
type lockTable struct {
	now func() time.Time

	mu sync.Mutex                            // protects m
	m  map[string]map[messageQueue]queueLock // by group
}

type queueLock struct {
	client string
	at     time.Time
}

type lockBody struct {
	Group  string         `json:"consumerGroup"`
	Client string         `json:"clientId"`
	Queues []messageQueue `json:"mqSet"`
}

func newLockTable(now func() time.Time) *lockTable {
	return &lockTable{now: now, m: map[string]map[messageQueue]queueLock{}}
}

// lock answers those of the wanted queues that are the client's now.
func (t *lockTable) lock(req *remoting.Command) *remoting.Command {
	var body lockBody
	if err := json.Unmarshal(req.Body, &body); err != nil {
		return answer(remoting.SystemError, err.Error())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	locks := t.m[body.Group]
	if locks == nil {
		locks = map[messageQueue]queueLock{}
		t.m[body.Group] = locks
	}
	got := []messageQueue{}
	for _, q := range body.Queues {
		if l, taken := locks[q]; taken && l.client != body.Client && t.now().Sub(l.at) < lockLife {
			continue
		}
		locks[q] = queueLock{body.Client, t.now()}
		got = append(got, q)
	}
	return withJSON(map[string]any{"lockOKMQSet": got})
}

func (t *lockTable) unlock(req *remoting.Command) *remoting.Command {
	var body lockBody
	if err := json.Unmarshal(req.Body, &body); err != nil {
		return answer(remoting.SystemError, err.Error())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, q := range body.Queues {
		if t.m[body.Group][q].client == body.Client {
			delete(t.m[body.Group], q)
		}
	}
	return ok()
}

// free tells whether no queue of a group is locked.
func (t *lockTable) free(group string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range t.m[group] {
		if t.now().Sub(l.at) < lockLife {
			return false
		}
	}
	return true
}
