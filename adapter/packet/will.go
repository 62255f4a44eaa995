package packet

// Will is the message a client leaves in its CONNECT, to be published when it goes without saying goodbye
// (section 3.1.2.5).
type Will struct {
	Topic      string
	Payload    []byte
	QoS        byte
	Retain     bool
	Delay      uint32     // seconds between the loss of the connection and the will, 5.0
	Properties Properties // 5.0
}

// write appends the will fields of the payload: properties (5.0), topic, payload.
func (m *Will) write(w *writer, v Version) {
	if m.QoS > 2 {
		w.fail("will QoS is 3")
	}
	if m.Topic == "" || hasWildcard(m.Topic) {
		w.fail("will topic is not a topic name")
	}
	if v == V5 {
		at := w.openLength()
		w.uint32Property(willDelay, m.Delay, m.Delay != 0)
		w.message(&m.Properties)
		w.closeLength(at)
	}
	w.text(m.Topic, "will topic")
	w.binary(m.Payload, "will payload")
}

func readWill(r *reader, flags byte) *Will {
	m := &Will{QoS: flags >> shiftWillQoS & 3, Retain: flags&flagWillRetain != 0}
	if r.version == V5 {
		p := r.properties(inWill)
		for p.next(r) {
			if !p.setMessage(r, &m.Properties) && p.id == willDelay {
				m.Delay = p.num
			}
		}
	}
	m.Topic = r.text("will topic")
	if r.err == nil && (m.Topic == "" || hasWildcard(m.Topic)) { // [MQTT-4.7.3-1], [MQTT-4.7.0-1]
		r.fail(TopicNameInvalid, "will topic is not a topic name")
	}
	m.Payload = r.binary("will payload")
	return m
}
