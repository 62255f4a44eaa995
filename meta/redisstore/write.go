package redisstore

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/session"
)

// Write applies the changes in one pipeline; see session.Store. Empty changes are answered without asking Redis.
func (s *Store) Write(ctx context.Context, changes []session.Change) []error {
	errs := make([]error, len(changes))
	replies := make([]*redis.Cmd, len(changes))
	t := s.trip()
	for i := range changes {
		if c := &changes[i]; !c.Empty() {
			replies[i] = t.run(ctx, s.scripts.write, s.keys.sessionParts(c.ClientID), writeArgs(c)...)
		}
	}
	if len(t.calls) == 0 {
		return errs
	}
	_ = t.send(ctx) // every reply carries its own error
	for i, reply := range replies {
		if reply == nil {
			continue
		}
		code, err := reply.Uint64()
		if err == nil {
			err = codeError(code)
		}
		if err != nil {
			errs[i] = fmt.Errorf("write session: %w", err)
		}
	}
	return errs
}

// writeArgs are the arguments of write.lua for a change.
func writeArgs(c *session.Change) []any {
	expiry := ""
	if c.Expiry != nil {
		expiry = millis(*c.Expiry)
	}
	args := make([]any, 0, 11+len(c.DropSubs)+2*len(c.SetSubs)+len(c.DropCursors)+2*len(c.SetCursors)+
		len(c.DropOut)+2*len(c.SetOut)+len(c.DropIn)+2*len(c.SetIn))
	args = append(args, uint64(c.Epoch), c.PacketIDs, expiry, len(c.DropSubs), len(c.SetSubs), len(c.DropCursors),
		len(c.SetCursors), len(c.DropOut), len(c.SetOut), len(c.DropIn), len(c.SetIn))
	for _, filter := range c.DropSubs {
		args = append(args, filter)
	}
	for i := range c.SetSubs {
		args = append(args, c.SetSubs[i].Filter, encodeSubscription(&c.SetSubs[i]))
	}
	for i := range c.DropCursors {
		args = append(args, cursorField(c.DropCursors[i]))
	}
	for i := range c.SetCursors {
		args = append(args, cursorField(c.SetCursors[i].CursorKey), encodeCursor(&c.SetCursors[i]))
	}
	for _, id := range c.DropOut {
		args = append(args, id)
	}
	for i := range c.SetOut {
		args = append(args, c.SetOut[i].PacketID, encodeOutbound(&c.SetOut[i]))
	}
	for _, id := range c.DropIn {
		args = append(args, id)
	}
	for i := range c.SetIn {
		args = append(args, c.SetIn[i].PacketID, encodeInbound(&c.SetIn[i]))
	}
	return args
}

// cursorField names a cursor in its hash: the length of the filter keeps the two parts apart.
func cursorField(k session.CursorKey) string {
	return strconv.Itoa(len(k.Filter)) + ":" + k.Filter + k.Broker
}
