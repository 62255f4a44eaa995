package packet

import "fmt"

// Error is what a Decoder returns for bytes that are not MQTT, and Append for a packet that cannot be encoded. Code is
// what to send in CONNACK or DISCONNECT before closing; errors.Is(err, MalformedPacket) and errors.As into a
// ReasonCode see it.
type Error struct {
	Code ReasonCode
	Msg  string // what was wrong, in words, without the peer's data
}

// Error returns the code in words and the detail.
func (e *Error) Error() string { return e.Code.Error() + ": " + e.Msg }

// Unwrap returns the reason code.
func (e *Error) Unwrap() error { return e.Code }

func failf(c ReasonCode, format string, args ...any) *Error {
	return &Error{Code: c, Msg: fmt.Sprintf(format, args...)}
}
