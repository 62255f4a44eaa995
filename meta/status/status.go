// Package status is what instances tell each other, and clients of $SYS, about themselves: a few figures, forgotten
// when the instance does not repeat them.
package status

import (
	"context"
	"time"
)

// Figures are those of one instance. Counts are since its start.
type Figures struct {
	Instance string `json:"instance"`
	Version  string `json:"version"`
	// Uptime is in seconds.
	Uptime int64 `json:"uptime"`

	Connected     int64 `json:"connected"`     // clients now
	Maximum       int64 `json:"maximum"`       // clients at most at once
	Subscriptions int64 `json:"subscriptions"` // of the clients now connected

	MessagesReceived int64 `json:"messagesReceived"` // MQTT packets of any type
	MessagesSent     int64 `json:"messagesSent"`
	PublishReceived  int64 `json:"publishReceived"` // PUBLISH packets
	PublishSent      int64 `json:"publishSent"`
	PublishDropped   int64 `json:"publishDropped"` // messages of QoS 0 that were given up
	BytesReceived    int64 `json:"bytesReceived"`
	BytesSent        int64 `json:"bytesSent"`
}

// Sum adds up the figures of all instances: Uptime is the longest, Maximum the sum of what each had at most, Instance
// and Version are left empty.
func Sum(all []Figures) Figures {
	var s Figures
	for _, f := range all {
		s.Uptime = max(s.Uptime, f.Uptime)
		s.Connected += f.Connected
		s.Maximum += f.Maximum
		s.Subscriptions += f.Subscriptions
		s.MessagesReceived += f.MessagesReceived
		s.MessagesSent += f.MessagesSent
		s.PublishReceived += f.PublishReceived
		s.PublishSent += f.PublishSent
		s.PublishDropped += f.PublishDropped
		s.BytesReceived += f.BytesReceived
		s.BytesSent += f.BytesSent
	}
	return s
}

// Peers keeps the last figures of each instance. It is safe for concurrent use.
type Peers interface {
	// Report stores the figures of f.Instance for the time ttl, in the place of those before.
	Report(ctx context.Context, f Figures, ttl time.Duration) error
	// All returns what was reported and is not over, by instance in byte order.
	All(ctx context.Context) ([]Figures, error)
	// Forget removes the figures of an instance that leaves.
	Forget(ctx context.Context, instance string) error
}
