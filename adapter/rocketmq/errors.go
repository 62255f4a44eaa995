package rocketmq

import "errors"

// Errors callers branch on.
var (
	// ErrRejected wraps the reason why a message is definitely not stored.
	ErrRejected = errors.New("message not stored")
	// ErrUnknown wraps the reason why nobody knows whether a message is stored:
	// no answer in time, connection lost after the write, an internal error of
	// the broker, or stored but not confirmed as its configuration demands
	// (FLUSH_DISK_TIMEOUT, FLUSH_SLAVE_TIMEOUT, SLAVE_NOT_AVAILABLE). Settle it
	// with FindKey before sending again. The same for acknowledgements of popped
	// messages, see AckPopped.
	ErrUnknown = errors.New("outcome unknown")
	// ErrNoTopic: the topic does not exist and may not be created.
	ErrNoTopic = errors.New("no such topic")
	// ErrDispatchList wraps what is wrong with a list of LMQ names.
	ErrDispatchList = errors.New("bad dispatch list")
	// ErrProperties: a property cannot be carried, or all together are too long.
	ErrProperties = errors.New("bad message properties")
	// ErrBusy: too many sends are under way here, or the broker says that it is
	// busy (a send that waits 200 ms in its queue is thrown out). Try again soon.
	ErrBusy = errors.New("too many sends in flight")
	// ErrIllegal: the broker will never take the message as it is.
	ErrIllegal = errors.New("message illegal")
	// ErrNoBroker: the broker is not known or not connected.
	ErrNoBroker = errors.New("broker not connected")
	// ErrExpired: the invisible time of a popped message is over; it comes back
	// to its group.
	ErrExpired = errors.New("invisible time over")
	// ErrLogin: access control does not know the access key, or the secret key is another one.
	ErrLogin = errors.New("login refused")
	// ErrPermission: the user of the access key may not do this; what is missing is in the broker's remark.
	ErrPermission = errors.New("permission missing")
	// ErrStopped: the client was closed.
	ErrStopped = errors.New("rocketmq client closed")
)
