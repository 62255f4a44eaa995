package rocketmq

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// directSender sends SEND_MESSAGE_V2 over our own connections.
type directSender struct{ c *Client }

var _ sender = (*directSender)(nil)

func (s *directSender) close() {}

func (s *directSender) send(m *OutMessage, props map[string]string, done func(SendResult, error)) {
	conn := s.c.cluster.link(m.Queue.Broker).control.get()
	if conn == nil {
		done(SendResult{}, fmt.Errorf("%w: broker %s: %w", ErrRejected, m.Queue.Broker, ErrNoBroker))
		return
	}
	conn.Go(s.request(m, props), s.c.cfg.SendTimeout, func(a *remoting.Command, err error) {
		switch {
		case errors.Is(err, remoting.ErrNotSent):
			err = fmt.Errorf("%w: %w: %w", ErrRejected, ErrNoBroker, err)
		case err != nil:
			err = fmt.Errorf("%w: %w", ErrUnknown, err)
		default:
			err = sendCodeError(a.Code, a.Remark)
		}
		if err != nil {
			done(SendResult{}, err)
			return
		}
		offset, _ := strconv.ParseInt(a.Ext["queueOffset"], 10, 64)
		done(SendResult{Key: m.Key, Queue: m.Queue, Offset: offset, OffsetKey: a.Ext["msgId"]}, nil)
	})
}

func (s *directSender) request(m *OutMessage, props map[string]string) *remoting.Command {
	return remoting.NewRequest(remoting.SendMessageV2, map[string]string{
		"a": s.c.cfg.ProducerGroup,
		"b": m.Queue.Topic,
		"c": defaultTopic,
		"d": defaultTopicQueues,
		"e": strconv.Itoa(m.Queue.ID),
		"f": "0",
		"g": strconv.FormatInt(time.Now().UnixMilli(), 10),
		"h": "0",
		"i": encodeProperties(props),
		"j": "0",
		"k": "false",
		"l": "0",
		"m": "false",
		"n": m.Queue.Broker,
	}, m.Body)
}

// What a broker makes topics from that it creates by itself. Ours exist before
// they are sent to; the producer library sends these too.
const (
	defaultTopic       = "TBW102"
	defaultTopicQueues = "4"
)
