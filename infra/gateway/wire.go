package gateway

import (
	"context"
	"errors"
	"time"

	"lmqgate/adapter/client"
	"lmqgate/adapter/deliver"
	"lmqgate/adapter/dispatch"
	"lmqgate/adapter/inside"
	"lmqgate/adapter/packet"
	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/transport"
	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// deliverer lets client attach to the hub.
type deliverer struct{ hub *deliver.Hub }

func (d deliverer) Begin(st session.State, o client.AttachOptions, w *session.Writer) func(client.Link) client.Delivery {
	attach := d.hub.Begin(st, deliver.Options{Persistent: o.Persistent, ReceiveMaximum: o.ReceiveMaximum, Take: o.Take, Placed: o.Placed}, w)
	return func(l client.Link) client.Delivery { return attach(l) }
}

// producer lets dispatch send through the RocketMQ client.
type producer struct{ c *rocketmq.Client }

var _ dispatch.Producer = producer{}

func (p producer) Pick(ctx context.Context, topic, key string) (message.Place, error) {
	q, err := p.c.PickQueue(ctx, topic, key)
	if errors.Is(err, rocketmq.ErrNoTopic) {
		err = errors.Join(dispatch.ErrNoTopic, err)
	}
	return message.Place{Topic: q.Topic, Broker: q.Broker, Queue: q.ID}, err
}

func (p producer) TryPick(topic, key string) (message.Place, bool) {
	q, ok := p.c.TryPickQueue(topic, key)
	return message.Place{Topic: q.Topic, Broker: q.Broker, Queue: q.ID}, ok
}

func (p producer) Send(o *dispatch.Outgoing, done func(error)) {
	p.c.Send(&rocketmq.OutMessage{
		Queue: rocketmq.Queue{Topic: o.Place.Topic, Broker: o.Place.Broker, ID: o.Place.Queue},
		Tag:   o.Tag, Key: o.Key, Properties: o.Properties, Dispatch: o.Dispatch, Body: o.Body,
	}, func(_ rocketmq.SendResult, err error) { done(sendError(err)) })
}

// sendError says what a failed send means for the message.
func sendError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rocketmq.ErrDispatchList), errors.Is(err, rocketmq.ErrProperties), errors.Is(err, rocketmq.ErrIllegal):
		return errors.Join(dispatch.ErrIllegal, err)
	case errors.Is(err, rocketmq.ErrNoTopic):
		return errors.Join(dispatch.ErrNoTopic, err)
	case errors.Is(err, rocketmq.ErrRejected), errors.Is(err, rocketmq.ErrBusy), errors.Is(err, rocketmq.ErrNoBroker), errors.Is(err, rocketmq.ErrStopped):
		return errors.Join(dispatch.ErrRejected, err)
	}
	return errors.Join(dispatch.ErrUnknown, err)
}

func (p producer) Find(ctx context.Context, broker, topic, key string, since time.Time) (bool, error) {
	return p.c.FindKey(ctx, broker, topic, key, since)
}

func (p producer) NewKey() string { return rocketmq.NewKey() }

func (p producer) DispatchBudget(properties map[string]string) int {
	return rocketmq.DispatchRoom(message.TagCommon, properties)
}

// lanes hands dispatch's lanes to client.
type lanes struct{ d *dispatch.Dispatcher }

func (l lanes) NewLane() message.Lane { return l.d.NewLane() }

// conn is a transport connection as client wants it.
type conn struct{ *transport.Conn }

var _ client.Conn = conn{}

// Bye closes with the WebSocket status that fits the reason.
func (c conn) Bye(code packet.ReasonCode) { _ = c.CloseWith(closeStatus(code), code.String()) }

var _ client.Insider = (*inside.Conn)(nil)

// closeStatus maps reasons to WebSocket close codes, for the eyes of browsers.
func closeStatus(code packet.ReasonCode) transport.StatusCode {
	switch code {
	case packet.Success, packet.SessionTakenOver, packet.AdministrativeAction:
		return transport.StatusNormal
	case packet.ServerShuttingDown, packet.UseAnotherServer, packet.MaximumConnectTime:
		return transport.StatusGoingAway
	case packet.PacketTooLarge:
		return transport.StatusMessageTooBig
	case packet.ServerBusy, packet.ServerUnavailable, packet.ConnectionRateExceeded:
		return transport.StatusTryAgainLater
	case packet.BadUserNameOrPassword, packet.NotAuthorized, packet.Banned, packet.QuotaExceeded, packet.MessageRateTooHigh,
		packet.KeepAliveTimeout:
		return transport.StatusPolicyViolation
	}
	return transport.StatusProtocolError
}
