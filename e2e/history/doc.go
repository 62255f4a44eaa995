// Package history keeps what MQTT clients did and saw, and checks it against what the gateway promises.
//
// A [Recorder] takes events in one order for all clients: what a client asks for is recorded before it is sent, what it is
// told after it was received. So if A stands before B and A is an answer, B a question, then A truly happened before B;
// of everything else [Check] assumes either order. It reports only what no order could excuse.
//
// The rules, by name:
//
//	lost        a message that its publisher has an acknowledgement for reaches everybody who was subscribed with QoS 1 or 2
//	            from before it was sent, and stays so; of a shared subscription somebody
//	twice       QoS 2 comes once, also over reconnections; QoS 0 and 1 once on one connection
//	order       messages of one publisher, topic and QoS come first in the order in which they were sent
//	uninvited   nothing comes for which there is no subscription, nor with more than the publisher's QoS
//	forged      nothing comes that nobody sent, or to another topic
//	session     a session that was to be kept is present
//	owner       of two connections with one client id only the later one is served
//	will        a will comes once; never after a DISCONNECT that deletes it
//	retained    what is retained at the end is the last acknowledged write
//	unanswered  at the end every QoS 1 and 2 message of a client that is connected has its acknowledgement
package history
