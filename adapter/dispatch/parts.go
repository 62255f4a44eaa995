package dispatch

import "lmqgate/meta/message"

// partsOf encodes a message for its queues; see message.Parts.
func (d *Dispatcher) partsOf(m *message.Message, lmqs []string, split bool) ([]Outgoing, error) {
	parts, err := message.Parts(m, lmqs, d.producer.DispatchBudget, split)
	if err != nil {
		return nil, err
	}
	out := make([]Outgoing, len(parts))
	for i, p := range parts {
		out[i] = Outgoing{Tag: p.Tag, Key: p.Key, Properties: p.Properties, Dispatch: p.Dispatch, Body: p.Body}
	}
	return out, nil
}
