// Package client is one connected MQTT client: the protocol state machine from CONNECT to the end of the connection.
//
// A connection has one goroutine, which reads and handles packets one after the other. Bytes to the client gather in a
// buffer that a goroutine of its own writes while there are any; an idle connection has neither. Everything that the
// package needs from its siblings comes through the interfaces in deps.go.
//
// What is kept where:
//
//	connect.go    CONNECT: what is checked, refused, agreed and taken over
//	login.go      who the client is, and what it may do
//	enhanced.go   AUTH: enhanced authentication and re-authentication
//	will.go       the will, and what becomes of it at the end of the connection
//	claim.go      one connection of a client id on this instance
//	client.go     the packets of an attached client
//	publish.go    PUBLISH: topic, alias, permission, outcome
//	inbound.go    places in flight, acknowledgements of QoS 1
//	qos2.go       packet ids of QoS 2; idset.go those that only wait for PUBREL
//	subscribe.go  SUBSCRIBE and UNSUBSCRIBE
//	output.go     bytes to the client; alias.go the topic aliases among them
//	close.go      ways to end, leave.go what follows; undone.go what of that has to be tried again
//	server.go     all clients: keep alive, pings, age; drain.go their end
//	presence.go   who came and went
//
// Locks: client.mu and output.mu are leaves with respect to each other; neither is held while a dependency is called,
// except that deliver calls Send and Full under its session lock. An ackQueue's lock is taken before inbound.mu and
// output.mu.
package client
