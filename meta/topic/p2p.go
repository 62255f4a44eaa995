package topic

import "strings"

const p2pLevel = "p2p"

// OwnFilter stands where a session's own queue, P2PLMQ of its client, is kept beside those of its filters. It is no filter
// that a client could have [MQTT-4.7.1-1].
const OwnFilter = "#p2p"

// P2P returns the client id that a point to point name addresses: `first/p2p/<clientId>[/...]`, one leading '/' allowed.
// A client whose id contains a '/' cannot be addressed. A name in a tenant's space addresses a client of that tenant.
func P2P(name string) (clientID string, ok bool) {
	if prefix, own := cutSpace(name); prefix != "" {
		if clientID, ok = p2p(own); ok {
			clientID = prefix + clientID
		}
		return clientID, ok
	}
	return p2p(name)
}

func p2p(name string) (clientID string, ok bool) {
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

// Addressable reports whether a point to point name can address the client: its id, as its tenant knows it, can be one level of
// a topic name.
func Addressable(clientID string) bool {
	_, clientID = cutSpace(clientID)
	return clientID != "" && !strings.Contains(clientID, "/") && !IsWildcard(clientID) && ValidName(clientID) == nil
}

// PrivateTo returns the client id whose point to point messages a filter (without `$share/<group>/`) asks for:
// `<anything>/p2p/<clientId>[/...]`, or `/p2p/<clientId>[/]`, which is the name of the queue itself and the topic of what
// RocketMQ applications send there without naming one. A wildcard in the place of the client id asks for none: it never
// matches such messages. Filters in a tenant's space ask for those of its clients.
func PrivateTo(filter string) (clientID string, ok bool) {
	if prefix, own := cutSpace(filter); prefix != "" {
		if clientID, ok = privateTo(own); ok {
			clientID = prefix + clientID
		}
		return clientID, ok
	}
	return privateTo(filter)
}

func privateTo(filter string) (clientID string, ok bool) {
	if rest, own := strings.CutPrefix(filter, "/"+p2pLevel+"/"); own {
		clientID = strings.TrimSuffix(rest, "/")
		if Addressable(clientID) {
			return clientID, true
		}
	}
	if clientID, ok = P2P(filter); ok && Addressable(clientID) {
		return clientID, true
	}
	return "", false
}
