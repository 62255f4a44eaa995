package rocketmq

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// OutMessage is one message to send. It belongs to Send until done is called.
type OutMessage struct {
	Queue Queue
	Tag   string
	// Key is the UNIQ_KEY, from NewKey. Empty has one made.
	Key string
	// Properties are all others; WAIT=true is added.
	Properties map[string]string
	// Dispatch names the LMQs that get the message.
	Dispatch []string
	Body     []byte
}

// SendResult says where a message was stored.
type SendResult struct {
	Key       string
	Queue     Queue
	Offset    int64  // in Queue, not in an LMQ
	OffsetKey string // broker's message id: address and commit log offset
}

// sender is one of the two ways to a broker. done is called exactly once,
// possibly before send returns.
type sender interface {
	send(m *OutMessage, props map[string]string, done func(SendResult, error))
	close()
}

// Send sends m to its queue and returns at once; it never blocks. done is called
// exactly once, from any goroutine, possibly before Send returns; it must not
// block. Errors wrap ErrRejected (definitely not stored) or ErrUnknown. Nothing
// is sent twice. Beyond Config.MaxInFlight sends are rejected with ErrBusy.
//
// Nothing is sent to a broker that is stalled, and what one acknowledges that turns out to be so meanwhile is ErrUnknown;
// both are ErrStalled.
//
// Sends overtake each other on their way into the log: who needs order waits for
// done before the next.
func (c *Client) Send(m *OutMessage, done func(SendResult, error)) {
	if _, stalled := c.canaries.is(m.Queue.Broker); stalled {
		c.metrics.sendErrors.WithLabelValues(sendErrorKind(ErrStalled)).Inc()
		done(SendResult{}, fmt.Errorf("%w: broker %s: %w", ErrRejected, m.Queue.Broker, ErrStalled))
		return
	}
	c.send(m, func(r SendResult, err error) {
		if _, stalled := c.canaries.is(m.Queue.Broker); stalled && err == nil && len(m.Dispatch) > 0 {
			c.metrics.sendErrors.WithLabelValues(sendErrorKind(ErrStalled)).Inc()
			err = fmt.Errorf("%w: broker %s: %w", ErrUnknown, m.Queue.Broker, ErrStalled)
		}
		done(r, err)
	})
}

// send is Send to any broker.
func (c *Client) send(m *OutMessage, done func(SendResult, error)) {
	if m.Key == "" {
		m.Key = NewKey()
	}
	props, err := c.admit(m)
	if err != nil {
		c.metrics.sendErrors.WithLabelValues(sendErrorKind(err)).Inc()
		done(SendResult{}, fmt.Errorf("%w: %w", ErrRejected, err))
		return
	}
	began := time.Now()
	c.sender.send(m, props, func(r SendResult, err error) {
		c.metrics.sendSeconds.Observe(time.Since(began).Seconds())
		if err != nil {
			c.metrics.sendErrors.WithLabelValues(sendErrorKind(err)).Inc()
			if errors.Is(err, ErrNoTopic) {
				c.topics.forget(m.Queue.Topic)
			}
		}
		c.endSend()
		done(r, err)
	})
}

// admit checks m and counts it as under way.
func (c *Client) admit(m *OutMessage) (map[string]string, error) {
	if err := CheckDispatch(m.Dispatch); err != nil {
		return nil, err
	}
	props, err := properties(m)
	if err != nil {
		return nil, err
	}
	if !validTopic(m.Queue.Topic) || m.Queue.ID < 0 {
		return nil, fmt.Errorf("queue %d of topic %q: %w", m.Queue.ID, m.Queue.Topic, ErrNoTopic)
	}
	if err := c.beginSend(); err != nil {
		return nil, err
	}
	return props, nil
}

// properties returns all properties of m, checked.
func properties(m *OutMessage) (map[string]string, error) {
	p := make(map[string]string, len(m.Properties)+4)
	maps.Copy(p, m.Properties)
	if p[remoting.PropertyWait] == "" {
		p[remoting.PropertyWait] = "true"
	}
	p[remoting.PropertyUniqueKey] = m.Key
	if m.Tag != "" {
		p[remoting.PropertyTags] = m.Tag
	}
	delete(p, remoting.PropertyMultiDispatch) // only ever from the checked list
	delete(p, remoting.PropertyMultiQueueOffset)
	size := DispatchBytes(m.Dispatch)
	for k, v := range p {
		if !remoting.ValidProperty(k, v) {
			return nil, fmt.Errorf("property %q holds a separator or has no name: %w", k, ErrProperties)
		}
		size += propertyBytes(k, v)
	}
	if size > MaxPropertiesBytes {
		return nil, fmt.Errorf("%d bytes, limit %d: %w", size, MaxPropertiesBytes, ErrProperties)
	}
	if len(m.Dispatch) > 0 {
		p[remoting.PropertyMultiDispatch] = strings.Join(m.Dispatch, ",")
	}
	return p, nil
}

// encodeProperties returns p as the wire wants it, keys sorted.
func encodeProperties(p map[string]string) string {
	var b []byte
	for _, k := range slices.Sorted(maps.Keys(p)) {
		b = remoting.AppendProperty(b, k, p[k])
	}
	return string(b)
}

// sendCodeError turns an answer's code into an error.
//
// SYSTEM_ERROR may come from behind the write, so nobody knows; the three
// time-outs mean stored on the master, but not as safely as configured.
func sendCodeError(code int32, remark string) error {
	if AccessError(code, remark) != nil {
		return fmt.Errorf("%w: %w", ErrRejected, codeError(code, remark))
	}
	switch code {
	case remoting.Success:
		return nil
	case remoting.SystemError, remoting.FlushDiskTimeout, remoting.FlushSlaveTimeout, remoting.SlaveNotAvailable:
		return fmt.Errorf("%w: code %d: %s", ErrUnknown, code, remark)
	case remoting.TopicNotExist:
		return fmt.Errorf("%w: %w: code %d: %s", ErrRejected, ErrNoTopic, code, remark)
	case remoting.SystemBusy, remoting.FlowControl:
		return fmt.Errorf("%w: %w: code %d: %s", ErrRejected, ErrBusy, code, remark)
	case remoting.MessageIllegal:
		return fmt.Errorf("%w: %w: code %d: %s", ErrRejected, ErrIllegal, code, remark)
	case remoting.ServiceNotAvailable,
		remoting.NoPermission, remoting.RequestNotSupported, remoting.VersionNotSupported:
		return fmt.Errorf("%w: code %d: %s", ErrRejected, code, remark)
	default:
		return fmt.Errorf("%w: code %d: %s", ErrUnknown, code, remark)
	}
}

func sendErrorKind(err error) string {
	switch {
	case errors.Is(err, ErrDispatchList):
		return "dispatch_list"
	case errors.Is(err, ErrProperties):
		return "properties"
	case errors.Is(err, ErrBusy):
		return "busy"
	case errors.Is(err, ErrStalled):
		return "stalled"
	case errors.Is(err, ErrNoTopic):
		return "no_topic"
	case errors.Is(err, ErrNoBroker):
		return "no_broker"
	case errors.Is(err, ErrLogin), errors.Is(err, ErrPermission):
		return "access"
	case errors.Is(err, ErrUnknown):
		return "unknown"
	default:
		return "rejected"
	}
}
