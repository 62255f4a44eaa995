package tracing

import (
	"slices"

	"lmqgate/meta/message"
)

// extract returns the context in user properties; the first of each name counts.
func extract(user []message.UserProperty) (parent, state string) {
	for _, p := range slices.Backward(user) {
		switch p.Key {
		case parentKey:
			parent = p.Value
		case stateKey:
			state = p.Value
		}
	}
	return parent, state
}

// replaced returns user properties with the context in the places of the one they had; add puts it behind them if they had
// none. The given slice is not changed.
func replaced(user []message.UserProperty, parent, state string, add bool) []message.UserProperty {
	if !add && !slices.ContainsFunc(user, func(p message.UserProperty) bool { return p.Key == parentKey }) {
		return user
	}
	out := make([]message.UserProperty, 0, len(user)+2)
	had, hadState := false, false
	for _, p := range user {
		switch p.Key {
		case parentKey:
			if had {
				continue
			}
			had, p.Value = true, parent
		case stateKey:
			if hadState || state == "" {
				continue
			}
			hadState, p.Value = true, state
		}
		out = append(out, p)
	}
	if !had {
		out = append(out, message.UserProperty{Key: parentKey, Value: parent})
	}
	if !hadState && state != "" {
		out = append(out, message.UserProperty{Key: stateKey, Value: state})
	}
	return out
}
