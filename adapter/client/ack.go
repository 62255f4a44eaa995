package client

import (
	"errors"

	"lmqgate/adapter/packet"
	"lmqgate/meta/message"
)

// publish0 publishes at most once.
func (in *inbound) publish0(m *message.Message) {
	size := len(m.Payload)
	in.lane.Publish(&message.Publication{Message: m, Done: func(_ message.Result, err error) {
		in.left(size)
		if errors.Is(err, message.ErrNotRetained) {
			in.c.srv.warn("a message was not retained", "client_id", in.c.id, "error", err)
		} else if err != nil && in.c.srv.deps.Dropped != nil {
			in.c.srv.deps.Dropped(in.c.id, "not_stored", m.Topic, 1)
		}
	}})
}

// publish1 publishes at least once: PUBACK after the broker's acknowledgement.
func (in *inbound) publish1(id uint16, m *message.Message) {
	slot, size := in.reserve(1), len(m.Payload)
	in.lane.Publish(&message.Publication{Message: m, Done: func(r message.Result, err error) {
		in.left(size)
		code, why, ok := in.c.outcome(r, err)
		if ok {
			in.pubacks.fill(slot, &packet.Puback{PacketID: id, Code: code, Reason: why}, in.puback)
		}
	}})
}

// refuse answers a PUBLISH that has entered and goes no further; its packet id is free [MQTT-4.3.3-9].
func (in *inbound) refuse(p *packet.Publish, code packet.ReasonCode, why string) {
	slot := in.reserve(p.QoS)
	in.left(len(p.Payload))
	if p.QoS == 1 {
		in.pubacks.fill(slot, &packet.Puback{PacketID: p.PacketID, Code: code, Reason: why}, in.puback)
		return
	}
	in.pubrecs.fill(slot, &packet.Pubrec{PacketID: p.PacketID, Code: code, Reason: why}, in.answer)
}

// reserve takes the place of an acknowledgement among those of its QoS. A PUBLISH of QoS 1 counts against Receive
// Maximum until it is acknowledged; those of QoS 2 are counted by their packet ids.
func (in *inbound) reserve(qos byte) uint64 {
	in.mu.Lock()
	in.acks++
	if qos == 1 {
		in.quota++
	}
	in.mu.Unlock()
	if qos == 1 {
		return in.pubacks.reserve()
	}
	return in.pubrecs.reserve()
}

// puback sends a PUBACK whose turn has come; the client may go on before it can know.
func (in *inbound) puback(p packet.Packet) {
	in.mu.Lock()
	in.quota--
	in.mu.Unlock()
	in.answer(p)
}

// answer sends an acknowledgement whose turn has come and counts one less.
func (in *inbound) answer(p packet.Packet) {
	in.c.Send(p)
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.acks--; in.acks == maxAcks-1 || in.acks == 0 {
		in.wakeLocked()
	}
}
