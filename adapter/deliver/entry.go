package deliver

import (
	"sync/atomic"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// Entry is one message as it stands in a light message queue. It is shared by all sessions and never changed.
type Entry struct {
	Offset      int64            // in the LMQ that was read
	Key         string           // UNIQ_KEY
	StoreMillis int64            // when the broker stored it
	Message     *message.Message // nil: nothing an MQTT client could be sent; cursors step over it
	Dispatch    string           // INNER_MULTI_DISPATCH
	Offsets     string           // INNER_MULTI_QUEUE_OFFSET
	Trace       Trace            // nil: nobody follows
	Part        bool             // one of several parts that share Key

	v3, v5 atomic.Pointer[packet.Template] // encoded once for all sessions
	own    atomic.Pointer[Entry]           // as clients of its tenant see it; nil: none did yet
}

// in is the entry as a client of the space sees it, made once for all of them, since a topic is in one tenant's space only;
// nil if it is not in this one.
func (e *Entry) in(space topic.Space) *Entry {
	if !space.Mounts() {
		return e
	}
	name, ok := space.Unmount(e.Message.Topic)
	if !ok {
		return nil
	}
	if own := e.own.Load(); own != nil {
		return own
	}
	e.own.CompareAndSwap(nil, &Entry{Message: e.Message.In(space, name)})
	return e.own.Load()
}

// template is the message encoded for a protocol version; nil if it cannot be.
func (e *Entry) template(v packet.Version) *packet.Template {
	at := &e.v3
	if v == packet.V5 {
		at = &e.v5
	} else {
		v = packet.V311 // a PUBLISH of V31 is the same
	}
	if t := at.Load(); t != nil {
		return t
	}
	m := e.Message
	t, err := packet.NewTemplate(&packet.Publish{Topic: m.Topic, Payload: m.Payload, Properties: m.Properties}, v)
	if err != nil {
		return nil
	}
	at.CompareAndSwap(nil, t)
	return at.Load()
}
