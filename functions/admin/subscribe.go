package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

const (
	askTime  = 5 * time.Second        // for the answer of one instance; then it is looked again whose client it is
	askPause = 100 * time.Millisecond // between two looks
)

// Errors of Subscribe and Unsubscribe that callers branch on.
var (
	// ErrFilter says that a filter or an option is none that MQTT has.
	ErrFilter = errors.New("not a topic filter, or not an option of a subscription")
	// ErrTooMany says that the client, or all clients together, have as many filters as they may have.
	ErrTooMany = errors.New("too many subscriptions or filters")
	// ErrPrivate says that the filter asks for what is sent to another client point to point, or is not in the space of the
	// client's tenant, or the client is the gateway's own.
	ErrPrivate = errors.New("not for this client")
	// ErrShared says that a shared subscription is for a client that is connected, and where there are such.
	ErrShared = errors.New("no shared subscription for this client now")
	// ErrFailed says that the instance could not do it now.
	ErrFailed = errors.New("the instance of the client could not do it, try again")
)

// Reason codes of SUBACK that have a meaning here, section 3.9.3.
const (
	codeNone        = 0x11 // of UNSUBACK
	codeFailed      = 0x80
	codeNotAllowed  = 0x87
	codeFilter      = 0x8F
	codeQuota       = 0x97
	codeSharedNever = 0x9E
)

// Options of a subscription made on behalf of a client.
type Options struct {
	QoS               byte   `json:"qos"`
	NoLocal           bool   `json:"no_local"`
	RetainAsPublished bool   `json:"retain_as_published"`
	RetainHandling    byte   `json:"retain_handling"` // 0: retained messages are sent; 1: if the subscription is new; 2: none
	ID                uint32 `json:"identifier"`      // 0: none
}

// Subscribed is what Subscribe or Unsubscribe did.
type Subscribed struct {
	ClientID string `json:"client_id"`
	Filter   string `json:"filter"`
	State    string `json:"state"`    // of the client: "connected" or "away"
	Instance string `json:"instance"` // that owns or last owned it
	QoS      byte   `json:"qos"`
	Existed  bool   `json:"existed"` // there was a subscription to this filter
}

// check refuses what no SUBSCRIBE could ask for.
func (o *Options) check(filter string) error {
	_, inner, shared, err := topic.ParseShared(filter)
	if err != nil || topic.ValidFilter(filter) != nil || topic.Levels(inner) > maxLevels {
		return ErrFilter
	}
	if o.QoS > 2 || o.RetainHandling > 2 || o.ID > maxIdentifier || shared && o.NoLocal { // [MQTT-3.8.3-4]
		return ErrFilter
	}
	return nil
}

const (
	maxLevels     = 128         // as of what clients subscribe to
	maxIdentifier = 268_435_455 // section 3.8.2.1.2
)

// Subscribe subscribes a client to a filter, or gives its subscription new options. Operators decide: what the client itself may
// subscribe to does not matter, then or later; that what is sent to one client goes to no other holds for operators too. On
// return a message that any instance accepts from now on reaches the client, as behind a SUBACK: if it is connected, at
// once; if it is away, with its next connection. A client that is unknown is ErrNoClient. ErrUnconfirmed says that its instance
// does not answer, and that it may have been done.
func (a *Admin) Subscribe(ctx context.Context, id, filter string, o Options) (Subscribed, error) {
	if err := o.check(filter); err != nil {
		return Subscribed{}, err
	}
	sub := session.Subscription{
		Filter: filter, QoS: o.QoS, NoLocal: o.NoLocal, RetainAsPublished: o.RetainAsPublished, RetainHandling: o.RetainHandling, ID: o.ID, Granted: true,
	}
	return a.onBehalf(ctx, id, session.WordSubscribe, sub, a.subscribeAway)
}

// Unsubscribe ends a client's subscription, whoever made it; that there is none is no error. Otherwise it is as Subscribe.
func (a *Admin) Unsubscribe(ctx context.Context, id, filter string) (Subscribed, error) {
	if topic.ValidFilter(filter) != nil {
		return Subscribed{}, ErrFilter
	}
	return a.onBehalf(ctx, id, session.WordUnsubscribe, session.Subscription{Filter: filter}, a.unsubscribeAway)
}

// away changes the session of a client that is away: session.ErrFenced says that it is not any more.
type away func(ctx context.Context, st *session.State, sub session.Subscription) error

// onBehalf asks the instance that has the client, or changes the session if none has, until one of both is done: the client
// may come and go meanwhile.
func (a *Admin) onBehalf(ctx context.Context, id, kind string, sub session.Subscription, whenAway away) (Subscribed, error) {
	if ours(id) {
		return Subscribed{}, ErrPrivate
	}
	for {
		info, st, err := a.cfg.Sessions.Peek(ctx, id)
		switch {
		case errors.Is(err, session.ErrNotFound) || err == nil && info.Ended:
			return Subscribed{}, ErrNoClient
		case ctx.Err() != nil:
			return Subscribed{}, ErrUnconfirmed
		case err != nil:
			return Subscribed{}, err
		}
		c := client(&info)
		done := Subscribed{ClientID: id, Filter: sub.Filter, State: c.State, Instance: c.Instance, QoS: sub.QoS, Existed: subscribed(&st, sub.Filter) != nil}
		if info.Connected {
			err = a.ask(ctx, info, session.Word{Kind: kind, ClientID: id, Subscription: sub})
		} else {
			err = whenAway(ctx, &st, sub)
		}
		if err == nil || !errors.Is(err, session.ErrFenced) {
			return done, err
		}
		select {
		case <-ctx.Done():
			return Subscribed{}, ErrUnconfirmed
		case <-time.After(askPause):
		}
	}
}

// ask has the instance of a connected client do it. session.ErrFenced says that it does not have the client, or does not answer.
func (a *Admin) ask(ctx context.Context, info session.Info, w session.Word) error {
	within, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	answer, err := a.cfg.Sessions.Ask(within, info.Instance, w)
	switch {
	case ctx.Err() != nil:
		return ErrUnconfirmed
	case within.Err() != nil && err != nil, err == nil && answer.Absent:
		return session.ErrFenced
	case err != nil:
		return err
	case w.Kind == session.WordUnsubscribe && answer.Code == codeNone:
		return nil
	}
	return meaning(answer.Code)
}

// meaning is the error that a reason code stands for; nil for a success.
func meaning(code byte) error {
	switch {
	case code < codeFailed:
		return nil
	case code == codeNotAllowed:
		return ErrPrivate
	case code == codeFilter:
		return ErrFilter
	case code == codeQuota:
		return ErrTooMany
	case code == codeSharedNever:
		return ErrShared
	}
	return fmt.Errorf("%w (reason code 0x%02x)", ErrFailed, code)
}

// subscribed is the session's subscription to a filter, nil if it has none.
func subscribed(st *session.State, filter string) *session.Subscription {
	for i := range st.Subscriptions {
		if st.Subscriptions[i].Filter == filter {
			return &st.Subscriptions[i]
		}
	}
	return nil
}

// hold is the holding of a subscription.
func hold(id string, sub *session.Subscription) []registry.Hold {
	return []registry.Hold{{Filter: sub.Filter, ClientID: id, Epoch: uint64(sub.HoldEpoch), Seq: sub.HoldSeq}}
}
