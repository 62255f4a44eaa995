package message

import "time"

// Expired reports whether the message expiry interval has passed at now, counted from BornMillis: the message must not be
// delivered any more [MQTT-3.3.2-5].
func (m *Message) Expired(now time.Time) bool {
	return m.Properties.HasExpiry && m.waited(now) >= m.lifetime()
}

// Remaining returns the message expiry interval to deliver with, the received one less the time waited [MQTT-3.3.2-6], in
// whole seconds rounded up. ok is false if the message does not expire. It is 0 once Expired.
func (m *Message) Remaining(now time.Time) (seconds uint32, ok bool) {
	if !m.Properties.HasExpiry {
		return 0, false
	}
	left := m.lifetime() - m.waited(now)
	return uint32((max(left, 0) + time.Second - 1) / time.Second), true
}

func (m *Message) lifetime() time.Duration { return time.Duration(m.Properties.Expiry) * time.Second }

// waited is the time since BornMillis; 0 where the clocks of two instances disagree the other way.
func (m *Message) waited(now time.Time) time.Duration {
	return max(now.Sub(time.UnixMilli(m.BornMillis)), 0)
}
