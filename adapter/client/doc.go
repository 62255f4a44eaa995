// Package client is one connected MQTT client: the protocol state machine from CONNECT to the end of the connection.
//
// A connection has one goroutine, which reads and handles packets one after the other. Bytes to the client gather in a
// buffer that a goroutine of its own writes while there are any; an idle connection has neither. Everything that the
// package needs from its siblings comes through the interfaces in deps.go.
//
// What is kept where:
//
//	connect.go    CONNECT: what is checked, refused and taken over; agree.go what is agreed
//	login.go      who the client is, and what it may do
//	tenant.go     the topic space that it lives in
//	enhanced.go   AUTH: enhanced authentication and re-authentication
//	will.go       the will, and what becomes of it at the end of the connection
//	claim.go      one connection of a client id on this instance; hold.go what it waits for
//	client.go     the packets of an attached client
//	publish.go    PUBLISH: topic, alias, permission, outcome
//	inbound.go    places in flight; ack.go acknowledgements, in the order of ackqueue.go
//	qos2.go       packet ids of QoS 2; record.go what is written of them; idset.go those that only wait for PUBREL
//	subscribe.go  SUBSCRIBE and UNSUBSCRIBE; behalf.go what operators subscribe a client to
//	output.go     bytes to the client; write.go how they are written, alias.go the topic aliases among them
//	close.go      ways to end, leave.go what follows; undone.go what of that has to be tried again
//	budget.go     the bytes that wait for all clients
//	pressure.go   what happens when there is too much: pace, allowance, who is disconnected first
//	move.go       clients that are sent elsewhere
//	server.go     all clients: keep alive, pings, age; drain.go their end
//	presence.go   who came and went
//
// Where the specifications leave a choice:
//
//   - A PUBLISH that is not allowed is answered with 0x87 where an acknowledgement can say so; with QoS 0, and before 5.0,
//     the connection ends: nothing is acknowledged that is not stored [3.1.1 MQTT-3.3.5-2].
//   - A message that could not be retained is published all the same. 5.0 clients are told with 0x97; older ones get the
//     ordinary acknowledgement, and the log says it.
//   - The Payload Format Indicator is checked, for wills too: 0x99.
//   - Shared subscriptions are served before 5.0 as well.
//   - A connection that is renewed for its age gets 0x9C, one of an instance that stops 0x8B, when its session is
//     released; wills then wait for the client to come back (session.PartingMoved).
//     So is the will of a client that this side gives up because a store fails (0x89).
//   - While an instance goes away CONNECT gets 0x9C, before 5.0 0x03; a client id that is taken over too often in quick
//     succession (session.Flapping) has to wait for its CONNACK, and gets 0x9F or 0x03 if another came before it.
//   - The stream of a client that said DISCONNECT is closed once its session is released: what it does next, it does after.
//
// What a takeover may repeat: Attach fences off what the old connection had not written, which is what its client
// acknowledged within the last few milliseconds. A connection on the same instance writes it first (hold.go); one on another
// instance is not asked, since a takeover waits for nobody: that would be two more round trips, one of them to an instance that may be
// dead, where it takes one now, to spare a
// client QoS 1 messages that it must expect. Those come again, what was sent meanwhile under another packet id; QoS 0 that was
// sent meanwhile may come again too. QoS 2 does not, since nothing of it leaves unwritten.
//
// Locks: client.mu and output.mu are leaves with respect to each other; neither is held while a dependency is called,
// except that deliver calls Send and Full under its session lock. An ackQueue's lock is taken before inbound.mu and
// output.mu.
package client
