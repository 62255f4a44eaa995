package history

import "time"

// Kind says what an [Event] is.
type Kind string

// Kinds of events, and which fields beside Client and Conn they use.
const (
	Connect      Kind = "connect"     // CONNECT goes out: Clean, Expiry; Msg, Topic, QoS, Retain and Delay of the will
	Connected    Kind = "connected"   // CONNACK, success: Present
	Refused      Kind = "refused"     // CONNACK, Code, or no CONNACK at all
	Goodbye      Kind = "goodbye"     // DISCONNECT goes out: Code
	Dismissed    Kind = "dismissed"   // DISCONNECT came: Code
	Ended        Kind = "ended"       // the connection is over: Cut if this side cut it
	Subscribe    Kind = "subscribe"   // Filter, QoS
	Subscribed   Kind = "subscribed"  // SUBACK for one filter: Filter, QoS granted
	Unsubscribe  Kind = "unsubscribe" // Filter
	Unsubscribed Kind = "unsubscribed"
	Publish      Kind = "publish"   // a PUBLISH goes out, for the first time or again: Msg, Topic, QoS, Retain, Empty
	Acked        Kind = "acked"     // PUBACK or PUBREC, success: Msg
	Failed       Kind = "failed"    // PUBACK or PUBREC, failure: Msg, Code
	Abandoned    Kind = "abandoned" // the client does not repeat Msg any more
	Deliver      Kind = "deliver"   // an application would see it: Msg, Topic, QoS, Dup, Retain
	Retained     Kind = "retained"  // what a new subscriber finds at the end: Topic, Msg ("" is nothing)
	Fault        Kind = "fault"     // Text
	Quiet        Kind = "quiet"     // nothing more is coming: what is missing now is missing for ever
)

// Event is one line of a history. Msg names a message; no two messages have the same.
type Event struct {
	At     time.Duration `json:"at"` // since the beginning
	Kind   Kind          `json:"kind"`
	Client string        `json:"client,omitempty"`
	Conn   int           `json:"conn,omitempty"` // the connection, numbered over all clients from 1

	Clean   bool          `json:"clean,omitempty"`
	Expiry  time.Duration `json:"expiry,omitempty"` // of the session, 0: ends with the connection
	Present bool          `json:"present,omitempty"`
	Delay   time.Duration `json:"delay,omitempty"` // of the will
	Code    byte          `json:"code,omitempty"`
	Cut     bool          `json:"cut,omitempty"`

	Filter string `json:"filter,omitempty"`
	Msg    string `json:"msg,omitempty"`
	Topic  string `json:"topic,omitempty"`
	QoS    byte   `json:"qos,omitempty"`
	Retain bool   `json:"retain,omitempty"`
	Empty  bool   `json:"empty,omitempty"` // deletes the retained message
	Dup    bool   `json:"dup,omitempty"`
	Text   string `json:"text,omitempty"`
}
