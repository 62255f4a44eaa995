package gateway

import (
	"net/netip"
	"runtime/debug"

	"lmqgate/adapter/overload"
	"lmqgate/adapter/packet"
	"lmqgate/adapter/transport"
)

// Bounds of what all clients have on its way, unless the memory limit asks for less.
const (
	mostInHand      = 20_000    // publications
	mostBytesInHand = 128 << 20 // their payloads
	mostBytesOut    = 256 << 20 // bytes that wait to be written to clients
	mostBytesRead   = 64 << 20  // messages read for clients that lag, soft: twice that is the most
)

// share is a bound that is to be no more than one part in so many of the memory limit.
func (g *Gateway) share(most, part int) int {
	if limit := g.cfg.MemoryLimit; limit > 0 {
		return min(most, int(limit)/part)
	}
	return most
}

// limitMemory has the runtime keep to the container's memory where the user has not said what to keep to.
func (g *Gateway) limitMemory() {
	if container := g.cfg.MemoryLimitOfContainer; container > 0 {
		debug.SetMemoryLimit(int64(g.cfg.MemoryLimit))
		g.log.Info("GOMEMLIMIT is not set, using 90 % of the container's memory", "limit", g.cfg.MemoryLimit, "container", container)
	}
}

// admit says whether a client may connect now, wherever it comes from.
func (g *Gateway) admit(netip.Addr) transport.Refusal {
	if g.memory.Stage() >= overload.Refuse {
		return transport.RefusedMemory
	}
	return ""
}

// pressure tells client how short memory is.
type pressure struct{ g *Gateway }

func (p pressure) Slow() bool { return p.g.memory.Stage() >= overload.Slow }

// Refused says with what a connection's CONNECT is to be answered.
func (c conn) Refused() (packet.ReasonCode, string) {
	switch c.Conn.Refused() {
	case "":
		return packet.Success, ""
	case transport.RefusedFull:
		return packet.QuotaExceeded, "this instance has all the connections it can hold, try again"
	case transport.RefusedRate:
		return packet.ConnectionRateExceeded, "too many connections come at once, try again"
	}
	return packet.ServerBusy, "this instance is overloaded, try again later"
}
