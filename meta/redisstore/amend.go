package redisstore

import (
	"context"
	"fmt"

	"lmqgate/meta/session"
)

var (
	_ session.Amender = (*Store)(nil)
	_ session.Asker   = (*Store)(nil)
)

// Amend changes subscriptions and cursors of a session that is away; see session.Amender.
func (s *Store) Amend(ctx context.Context, c session.Change) error {
	t := s.trip()
	cmd := t.run(ctx, s.scripts.amend, s.keys.sessionParts(c.ClientID)[:3], amendArgs(&c)...)
	_ = t.send(ctx) // the reply carries its own error
	code, err := cmd.Uint64()
	if err == nil {
		err = codeError(code)
	}
	if err != nil {
		return fmt.Errorf("amend session: %w", err)
	}
	return nil
}

// amendArgs are the arguments of amend.lua for a change.
func amendArgs(c *session.Change) []any {
	args := []any{uint64(c.Epoch), len(c.DropSubs), len(c.SetSubs), len(c.DropCursors), len(c.SetCursors)}
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
	return args
}
