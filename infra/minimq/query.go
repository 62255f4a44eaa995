package minimq

import (
	"bytes"
	"math"

	"lmqgate/adapter/rocketmq/remoting"
)

// Bounds of a query by key: maxMsgsNumBatch, and defaultQueryMaxNum for unique keys.
const (
	queryMax       = 64
	queryMaxUnique = 32
)

func (b *Broker) queryMessage(a *args) *remoting.Command {
	topic, key, n := a.str("topic"), a.str("key"), int(a.int32("maxNum"))
	begin, end := a.int("beginTimestamp"), a.int("endTimestamp")
	if a.bad != "" {
		return nil
	}
	if a.bool("_UNIQUE_KEY_QUERY") {
		n = queryMaxUnique
	}
	if end < 0 {
		end = math.MaxInt64
	}
	res := b.store.ByKey(topic, key, max(min(n, queryMax), 0), begin, end)
	resp := ok("indexLastUpdateTimestamp", itoa(res.LastTime), "indexLastUpdatePhyoffset", itoa(res.LastIndexed))
	if len(res.Messages) == 0 {
		resp.Code, resp.Remark = remoting.QueryNotFound, "can not find message, maybe time range not correct"
		resp.Ext = map[string]string{"indexLastUpdateTimestamp": "0", "indexLastUpdatePhyoffset": "0"}
		return resp
	}
	resp.Body = bytes.Join(res.Messages, nil)
	return resp
}

func (b *Broker) viewMessage(a *args) *remoting.Command {
	phys := a.int("offset")
	raw, found := b.store.At(phys)
	if !found {
		return answer(remoting.SystemError, "can not find message by the offset, "+itoa(phys))
	}
	resp := ok()
	resp.Body = raw
	return resp
}
