package deliver

import (
	"errors"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// source is the session as the committer sees it.
type source Session

var _ session.Source = (*source)(nil)

// touch marks a cursor to be written. Called under s.mu.
func (s *Session) touch(c *cursor) {
	if !s.persist || c.dirty {
		return
	}
	c.dirty = true
	s.dirty = append(s.dirty, c)
	s.writer.Mark(false)
}

// Collect moves what waits to be written into ch.
func (src *source) Collect(ch *session.Change) func(error) {
	s := (*Session)(src)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collectSubs(ch)
	for _, c := range s.dirty {
		c.dirty = false
		if s.named(c.sub.Filter) == c.sub {
			ch.SetCursors = append(ch.SetCursors, c.snapshot())
		}
	}
	s.dirty = emptied(s.dirty)
	ch.DropOut, s.out.dropped = append(ch.DropOut, s.out.dropped...), emptied(s.out.dropped)
	var written []*flight
	for _, f := range s.out.set {
		if !f.toStore { // acknowledged meanwhile
			continue
		}
		f.toStore, f.stored = false, true
		ch.SetOut = append(ch.SetOut, f.Outbound)
		if f.state == flightWriting || f.state == flightReleasing {
			written = append(written, f)
		}
	}
	s.out.set = emptied(s.out.set)
	wanted := uint64(0)
	if s.out.wanted > s.out.reserved {
		wanted = s.out.wanted
		ch.PacketIDs = wanted
	}
	if len(written) == 0 && wanted == 0 {
		return nil
	}
	return func(err error) { s.written(written, wanted, err) }
}

// emptied returns the list without elements, for reuse unless it has grown large.
func emptied[T any](list []T) []T {
	clear(list)
	if cap(list) > 16 {
		return nil
	}
	return list[:0]
}

// collectSubs adds changed subscriptions. Called under s.mu.
func (s *Session) collectSubs(ch *session.Change) {
	for _, sub := range s.dropSubs {
		ch.DropSubs = append(ch.DropSubs, sub.Filter)
		for _, c := range sub.cursors {
			ch.DropCursors = append(ch.DropCursors, session.CursorKey{Filter: sub.Filter, Broker: c.broker})
		}
		for _, p := range sub.parked {
			ch.DropCursors = append(ch.DropCursors, p.CursorKey)
		}
	}
	for _, sub := range s.setSubs {
		if s.subs.named(sub.Filter) != sub { // unsubscribed meanwhile
			continue
		}
		kept := sub.Subscription
		if !s.persist { // nobody will go on with it
			kept.Retained, kept.RetainedAt = false, ""
			ch.SetSubs = append(ch.SetSubs, kept)
			continue
		}
		ch.SetSubs = append(ch.SetSubs, kept)
		for _, c := range sub.cursors {
			ch.SetCursors = append(ch.SetCursors, c.snapshot())
		}
	}
	s.dropSubs, s.setSubs = nil, nil
}

// sendWrittenReleases sends the PUBRELs that were written, in the order of the list: that of their PUBRECs
// [MQTT-4.6.0-4]. Called under s.mu.
func (s *Session) sendWrittenReleases(flights []*flight) {
	if s.closed {
		return
	}
	for _, f := range flights {
		if s.out.flights[f.PacketID] == f && f.state == flightReleasing {
			f.state = flightReleased
			s.link.Send(&packet.Pubrel{PacketID: f.PacketID})
		}
	}
}

// written lets go what waited for its entry to be kept.
func (s *Session) written(flights []*flight, reserved uint64, err error) {
	if err != nil { // the writer gives the session up, or the connection is closing
		s.disown(flights, errors.Is(err, session.ErrFenced))
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sendWrittenReleases(flights)
	sortByOrder(flights)
	for _, f := range flights {
		if f.claim != nil && f.state == flightWriting {
			s.own(f)
		}
	}
	if s.closed {
		return
	}
	for _, f := range flights {
		if s.out.flights[f.PacketID] != f || f.state != flightWriting || isShared(f.Filter) { // own does shared ones
			continue
		}
		s.sendEntry(f, false)
	}
	if reserved > s.out.reserved {
		s.out.reserved = reserved
	}
	s.pump()
}
