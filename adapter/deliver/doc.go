// Package deliver brings messages from light message queues to connected sessions: cursors, windows, QoS 1 and 2
// outbound.
//
// A Hub reads each (broker, LMQ) once for all sessions of the instance, on demand: a queue is pulled while at least one
// cursor stands at its end. What was pulled stays in a short ring as long as another cursor lags; a cursor that falls
// out of the ring catches up with pulls of its own. No session has a queue: a client that does not read costs its
// cursors. See architecture decisions 1, 4, 6 and 10.
//
// # Retained messages
//
// A subscription that asks for retained messages gets them by a walk, which begins when SUBACK was sent (Session.Retained),
// reads the store page by page, and survives the connection. What of a page has QoS 1 or 2 is kept in the session, payload
// included, in one change with how far the walk got, before it leaves: after a crash it is sent again from there, and the
// walk goes on behind it. QoS 0 leaves before that change, so a crash repeats rather than loses it. A page takes no more
// than the window has room for and is read only when its link has room; it leaves memory as soon as it is kept, and a hub
// has few of them at a time. Sessions wait for their turn without a goroutine.
//
// No client is left with an older value of a topic than it should have. Let R be what a walk reads of a topic and L a live
// message of it, both of one publisher, whose messages have one order in the log and in the store.
//
//   - L was sent before R was read. The store had L by then, or a newer one, so R is L or newer: a retained message is kept
//     before it is matched and sent (see dispatch).
//   - L is sent after R was read. Then R was sent first, since nothing live leaves between the reading of a page and its
//     sending, and what a takeover sends again from retained messages goes before everything else. Should L be older than R,
//     R itself stands behind L in the same queue, in front of which the subscription began, or is still to be sent, and comes
//     as a live message too.
//   - No live message comes after R. R is the newest: the store had every message that stands in front of the subscription's
//     begin, or that was not dispatched to it because it was matched before.
//
// That includes a PUBLISH that is not acknowledged yet when R is read. Not in it are messages that the store did not take, and
// those that were kept and then not sent: dispatch says which.
//
// Live messages wait for a walk from its standing in line for a page on, otherwise they would take the window from it. They
// go on while the walk waits for the client, whose window or link is full, and while the store fails: then the walk sees
// first, without holding anything up and without using the answer, that the store answers again.
//
// # Shared subscriptions
//
// `$share/g/F` makes the session a member of a group, which consumes topic.SharedLMQ of F by POP (architecture decision 7). The
// subscription has no cursor: the broker keeps the group's position, and who has which message until when. A share is the
// group on this instance, from its first connected member to its last. It asks for messages only while members have room,
// for as many as have (times up to eight while there are many), so equal members get about the same on whichever
// instance; then it hands them round. A message that finds no room after all, because the member's other subscriptions took it,
// waits a second for room here and is given back then. Plain subscriptions of a session are not held up by its shared ones.
//
// A group lives from the Hold of its first member to the Release of its last, offline ones included (registry.Groups). The
// name of the RocketMQ group has the life's token in it, so nothing of an earlier life comes, whatever brokers still have.
// One member begins a life, and SUBACK waits for that: the end of the LMQ is committed as its position on each broker.
// On a broker that is away then, messages older than the beginning are left out by their store time; one that appears later
// has nothing older. After a life has ended, its retry topics are deleted once what was out has come back; it is tried once,
// by the instance of the last member, and at once if that closes. What may stay is an empty retry topic on a broker, and a
// position.
//
//   - QoS 0: acknowledged to the broker when the PUBLISH was handed to the link.
//   - QoS 1: acknowledged with PUBACK, whatever its reason code [MQTT-4.8.2-6]. Nothing is written to the session. When the
//     connection ends, what is not acknowledged is given back, and comes to another member some seconds later, without DUP.
//     If the instance dies it comes when its invisible time is over; a live member's is prolonged however long it takes.
//   - QoS 2, session persists: the entry in the session is written, then the broker is told, then PUBLISH leaves. From the
//     entry on the message is this session's, also after a takeover [MQTT-4.8.2-4], and nobody's if the session ends
//     [MQTT-4.8.2-5]. If the instance dies, or the broker does not answer until the invisible time is over, between entry and
//     broker, the broker hands it out again. So of a QoS 2 message that was handed out before, the store is asked first whether
//     a member has its entry or has finished with it (registry.Owners); such a one is acknowledged and not delivered. What may
//     still come, since its entry is of an earlier connection or the broker did not answer, is noted as finished before its
//     entry is erased. Without an answer nothing is delivered. The protection ends with the session or its subscription.
//   - QoS 2, session ends with its connection: the broker is told right behind the PUBLISH, not at PUBREC: what may have
//     been received goes to nobody else [MQTT-4.8.2-5]. If the instance dies in between, it does.
//
// # Point to point
//
// With Config.P2P each session reads the queue of its client id too (topic.P2PLMQ), without a subscription: nobody holds it in
// the registry, senders ask whether the client has a session (see dispatch). It is one more queue with a cursor a broker, kept
// under topic.OwnFilter, and everything above applies. A pull is held for it while the client is connected, since a RocketMQ
// application that sends to it tells nobody. A new session begins at the queue's end, asked for before CONNACK and, if the
// session lasts, kept before CONNACK; one that is resumed goes on where it was. Of a broker that does not answer then the
// place is found by store time, as for a subscription. Brokers keep the names of these queues, so Config.Own bounds how many
// clients may have one: beyond it a new session has none, and senders find that it cannot be addressed.
//
// # Locks
//
// In this order: Session.mu, Hub.mu, queue.mu or share.mu, keeper.mu, those of the walkers, the link, the log and the
// committer. No callback is called under Hub.mu or queue.mu, and the committer asks sessions with no lock held.
package deliver
