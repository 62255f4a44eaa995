package minimq

import (
	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

type popTable struct{ b *Broker }

func newPopTable(b *Broker) *popTable          { return &popTable{b: b} }
func (t *popTable) arrived(a store.Arrival)    {}
func (t *popTable) clear()                     {}
func (t *popTable) has(topic string) bool      { return false }
func popRetryTopic(group, topic string) string { return store.RetryPrefix + group + "_" + topic }

func (b *Broker) pop(c *conn, req *remoting.Command, a *args) *remoting.Command {
	return notSupported(req)
}
func (b *Broker) ack(c *conn, a *args) *remoting.Command             { return answer(3, "") }
func (b *Broker) batchAck(req *remoting.Command) *remoting.Command   { return notSupported(req) }
func (b *Broker) changeInvisible(c *conn, a *args) *remoting.Command { return answer(3, "") }
