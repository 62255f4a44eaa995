// Package deliver brings messages from light message queues to connected sessions: cursors, windows, QoS 1 and 2
// outbound.
//
// A Hub reads each (broker, LMQ) once for all sessions of the instance, on demand: a queue is pulled while at least one
// cursor stands at its end. What was pulled stays in a short ring as long as another cursor lags; a cursor that falls
// out of the ring catches up with pulls of its own. No session has a queue: a client that does not read costs its
// cursors. See architecture decisions 1, 4, 6 and 10.
//
// Locks, in this order: Session.mu, Hub.mu, queue.mu, those of the link, the log and the committer. No callback is called
// under Hub.mu or queue.mu, and the committer asks sessions with no lock held.
package deliver
