// Package gateway is the composition root: it makes the parts, wires them to each other, starts them and stops them.
//
// Start: embedded servers, store and lease, registry matcher and committer, RocketMQ client, dispatch and deliver,
// client server, listeners. Connections are accepted before the dependencies answer; a CONNECT that comes too early is
// refused with "server unavailable". What Redis and RocketMQ say is asked by one monitor (checks.go), for probes, for
// admission and for the log.
//
// Stop, within DRAIN_TIMEOUT: readiness goes false, listeners refuse, clients are told to go (staggered) and their
// sessions released, sends under way end, reading stops, the last session writes are made, the instance leaves.
package gateway
