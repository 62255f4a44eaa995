package cli

import "fmt"

// reasons are the MQTT 5 reason codes from 0x80 on [MQTT-2.4], as a person reads them.
var reasons = map[byte]string{
	0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "implementation specific error",
	0x84: "protocol version not supported", 0x85: "client id not valid", 0x86: "bad user name or password",
	0x87: "not authorized", 0x88: "server unavailable", 0x89: "server busy", 0x8A: "banned",
	0x8B: "server shutting down", 0x8C: "bad authentication method", 0x8D: "keep alive timeout",
	0x8E: "session taken over", 0x8F: "topic filter invalid", 0x90: "topic name invalid",
	0x91: "packet identifier in use", 0x92: "packet identifier not found", 0x93: "receive maximum exceeded",
	0x94: "topic alias invalid", 0x95: "packet too large", 0x96: "message rate too high", 0x97: "quota exceeded",
	0x98: "administrative action", 0x99: "payload format invalid", 0x9A: "retain not supported",
	0x9B: "QoS not supported", 0x9C: "use another server", 0x9D: "server moved",
	0x9E: "shared subscriptions not supported", 0x9F: "connection rate exceeded", 0xA0: "maximum connect time",
	0xA1: "subscription identifiers not supported", 0xA2: "wildcard subscriptions not supported",
}

// refusal is a reason code of the server, with its reason string if it gave one. It is an error.
type refusal struct {
	what   string // what was refused: "connection", "subscription to a/b", ...
	code   byte
	detail string
}

func (r *refusal) Error() string {
	word := reasons[r.code]
	if word == "" {
		word = "unknown reason"
	}
	text := fmt.Sprintf("%s refused: %s (0x%02X)", r.what, word, r.code)
	if r.detail != "" {
		text += ": " + r.detail
	}
	if hint := hints[r.code]; hint != "" {
		text += "; " + hint
	}
	return text
}

var hints = map[byte]string{
	0x86: "give --user with --password or --hmac-secret",
	0x88: "the gateway cannot reach Redis or RocketMQ, see its log",
}

// passing reports whether the same attempt may succeed later: the server is busy, restarting, or sheds load.
func (r *refusal) passing() bool {
	switch r.code {
	case 0x80, 0x83, 0x88, 0x89, 0x8B, 0x8D, 0x96, 0x97, 0x98, 0x9C, 0x9F, 0xA0:
		return true
	}
	return false
}
