// Package packet is the MQTT wire: every control packet of MQTT 3.1 (MQIsdp), 3.1.1 and 5.0 as a Go struct, encoded by
// its Append method and decoded from a byte stream by a Decoder, in both directions.
//
// One struct serves all versions; fields that a version does not know are left out when encoding for it. Clauses are
// cited by their MQTT 5.0 number, or with "3.1.1" where only that version has the rule.
//
// The package holds no session state. What depends on the state of a connection (a second CONNECT, quotas, an alias
// that was never defined, the syntax of topic filters) is the caller's; what one packet shows by itself is checked
// here, and the reason code of the Error says how to answer.
package packet
