package transport

// StatusCode is a WebSocket close code (RFC 6455 section 7.4). On TCP and TLS it is not sent.
type StatusCode int

// The close codes that the gateway uses.
const (
	StatusNormal          StatusCode = 1000 // the session ended as it should
	StatusGoingAway       StatusCode = 1001 // drain, rotation
	StatusProtocolError   StatusCode = 1002 // malformed WebSocket or MQTT bytes, no CONNECT in time
	StatusUnsupportedData StatusCode = 1003 // a text frame [MQTT-6.0.0-1]
	StatusPolicyViolation StatusCode = 1008 // not authorised, quota
	StatusMessageTooBig   StatusCode = 1009 // over ReadLimit or the largest packet
	StatusInternalError   StatusCode = 1011
	StatusServiceRestart  StatusCode = 1012
	StatusTryAgainLater   StatusCode = 1013 // overload, a store out of reach
)

// maxReason is the room for words in a close frame: a control frame has 125 bytes, two are the code.
const maxReason = 123
