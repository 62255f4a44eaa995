package topic

import "strings"

const p2pLevel = "p2p"

// P2P returns the client id that a point to point name addresses: `first/p2p/<clientId>[/...]`, one leading '/' allowed.
// A client whose id contains a '/' cannot be addressed.
func P2P(name string) (clientID string, ok bool) {
	first, rest, more := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	if !more || first == "" {
		return "", false
	}
	second, rest, more := strings.Cut(rest, "/")
	if !more || second != p2pLevel {
		return "", false
	}
	clientID, _, _ = strings.Cut(rest, "/")
	return clientID, clientID != ""
}

// P2PLMQ returns the light message queue of a client's point to point messages, that of `/p2p/<clientId>/`. It is also
// the queue of the ordinary filter `/p2p/<clientId>`, and client ids with a '/' share queues: the receiver re-checks
// with P2P that the message's name addresses the client.
func P2PLMQ(clientID string) string { return LMQ("/" + p2pLevel + "/" + clientID) }
