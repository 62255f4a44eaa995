package rocketmq

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
)

// KVNamespace is the namespace of the name servers' key-value configuration that Apache RocketMQ MQTT (Java) keeps its
// metadata in: KVFirstTopics and KVConnectNodes, comma lists, and for each first topic its comma list of wildcard filters.
const (
	KVNamespace    = "LMQ"
	KVFirstTopics  = "ALL_FIRST_TOPICS"
	KVConnectNodes = "LMQ_CONNECT_NODES"
)

// maxKVBytes bounds a value; a name server takes what fits into a header of 32 KiB.
const maxKVBytes = 30_000

// KVTable returns a namespace of the key-value configuration, as the first name server that answers has it; a namespace
// that nobody wrote is empty. Each name server keeps its own, see KVTables.
func (c *Client) KVTable(ctx context.Context, namespace string) (map[string]string, error) {
	answer, err := c.names.do(ctx, kvList(namespace))
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", namespace, err)
	}
	return kvTable(namespace, answer)
}

// KVTables returns a namespace as each of the name servers has it, by address. It fails if one of them does not answer.
func (c *Client) KVTables(ctx context.Context, namespace string) (map[string]map[string]string, error) {
	tables := make(map[string]map[string]string, len(c.names.addrs))
	var errs []error
	for _, addr := range c.names.addrs {
		answer, err := c.names.try(ctx, addr, kvList(namespace))
		if err == nil {
			tables[addr], err = kvTable(namespace, answer)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read configuration %s of name server %s: %w", namespace, addr, err))
		}
	}
	return tables, errors.Join(errs...)
}

func kvList(namespace string) *remoting.Command {
	return remoting.NewRequest(remoting.GetKVListByNamespace, map[string]string{"namespace": namespace}, nil)
}

func kvTable(namespace string, answer *remoting.Command) (map[string]string, error) {
	switch answer.Code {
	case remoting.QueryNotFound:
		return map[string]string{}, nil
	case remoting.Success:
		table, err := remoting.DecodeKVTable(answer.Body)
		if err != nil {
			return nil, fmt.Errorf("read configuration %s: %w", namespace, err)
		}
		return table, nil
	}
	return nil, fmt.Errorf("read configuration %s: %w", namespace, answerError(answer))
}

// PutKV writes one value of the key-value configuration on every name server. On an error some may have it.
func (c *Client) PutKV(ctx context.Context, namespace, key, value string) error {
	if len(value) > maxKVBytes {
		return fmt.Errorf("write configuration %s/%s: value has %d bytes, more than %d", namespace, key, len(value), maxKVBytes)
	}
	err := c.names.all(ctx, remoting.NewRequest(remoting.PutKVConfig, map[string]string{
		"namespace": namespace, "key": key, "value": value,
	}, nil))
	if err != nil {
		return fmt.Errorf("write configuration %s/%s: %w", namespace, key, err)
	}
	return nil
}

// ConsumerOffset is one committed offset in queue 0 of a topic.
type ConsumerOffset struct {
	Group, Topic string
	Offset       int64
}

// LMQOffsets returns the offsets that groups named `%LMQ%...` have committed in LMQs at a broker. They come in one
// answer: a broker with more than fits into a frame (16 MiB, some 150,000 offsets) or that refuses gives an error; ask for single ones with
// QueryConsumerOffset then.
func (c *Client) LMQOffsets(ctx context.Context, broker string) ([]ConsumerOffset, error) {
	answer, err := c.insist(ctx, broker, remoting.NewRequest(remoting.GetAllConsumerOffset, nil, nil),
		func(a *remoting.Command) bool { return a.Code == remoting.Success && len(a.Body) > 0 })
	if err != nil {
		return nil, fmt.Errorf("list consumer offsets at %s: %w", broker, err)
	}
	table, err := remoting.DecodeOffsetTable(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("list consumer offsets at %s: %w", broker, err)
	}
	var list []ConsumerOffset
	add := func(key string, offset int64) {
		topic, group, ok := splitOffsetKey(key)
		if ok && offset >= 0 {
			list = append(list, ConsumerOffset{Group: group, Topic: topic, Offset: offset})
		}
	}
	for key, offset := range table.LMQ {
		add(key, offset)
	}
	for key, queues := range table.Offsets {
		if offset, ok := queues["0"]; ok {
			if _, twice := table.LMQ[key]; !twice {
				add(key, offset)
			}
		}
	}
	return list, nil
}

// splitOffsetKey splits `topic@group` where both are of LMQs. Either may have an '@' of its own, in a client id for
// instance.
func splitOffsetKey(key string) (topic, group string, ok bool) {
	topic, group, ok = strings.Cut(key, "@"+LMQPrefix)
	return topic, LMQPrefix + group, ok && strings.HasPrefix(topic, LMQPrefix)
}
