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
//   - L was sent before R was read. R is L or newer, if the store had L by then: see below.
//   - L is sent after R was read. Then R was sent first, since nothing live leaves between the reading of a page and its
//     sending, and what a takeover sends again from retained messages goes before everything else. Should L be older than R,
//     R itself stands behind L in the same queue, in front of which the subscription began, and comes again as a live
//     message.
//   - No live message comes after R. R is the newest, if the store had every message that stands in front of the
//     subscription's begin, or that was not dispatched to it because it was matched before.
//
// So it rests on the store having a message when it is matched and sent. A publisher's side that sets it later leaves a gap
// for a PUBLISH that is not acknowledged yet when R is read: in the first case the client is left with R, in the last one
// it gets the message neither live nor retained. Acknowledged ones are never concerned.
//
// Live messages wait for a walk from its standing in line for a page on, otherwise they would take the window from it. They
// go on while the walk waits for the client, whose window or link is full, and while the store fails: then the walk sees
// first, without holding anything up and without using the answer, that the store answers again.
//
// # Locks
//
// In this order: Session.mu, Hub.mu, queue.mu, those of the walkers, the link, the log and the committer. No callback is called
// under Hub.mu or queue.mu, and the committer asks sessions with no lock held.
package deliver
