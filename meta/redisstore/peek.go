package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"lmqgate/meta/session"
)

// Peek reads a session without touching it; see session.Viewer.
func (s *Store) Peek(ctx context.Context, clientID string) (session.Info, session.State, error) {
	info, st, err := s.peek(ctx, clientID)
	if err != nil {
		return session.Info{}, session.State{}, fmt.Errorf("read session: %w", err)
	}
	return info, st, nil
}

func (s *Store) peek(ctx context.Context, clientID string) (session.Info, session.State, error) {
	st := session.State{ClientID: clientID}
	t := s.trip()
	cmd := t.run(ctx, s.scripts.peek, s.keys.sessionParts(clientID))
	if err := t.send(ctx); err != nil {
		return session.Info{}, st, err
	}
	r := newReply(cmd)
	if err := r.code(); errors.Is(err, session.ErrFenced) {
		return session.Info{}, st, session.ErrNotFound
	} else if err != nil {
		return session.Info{}, st, err
	}
	flat := r.strings()
	h := make(header, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		h[flat[i]] = flat[i+1]
	}
	if h.gone() {
		return session.Info{}, st, session.ErrNotFound
	}
	if err := readContent(&st, r); err != nil {
		return session.Info{}, st, err
	}
	if r.err != nil {
		return session.Info{}, st, r.err
	}
	info := h.info(clientID)
	st.Epoch, st.Present = info.Epoch, !info.Ended
	st.PacketIDs = h.uint("n")
	return info, st, nil
}

// header is the hash s:{cid}.
type header map[string]string

// headerFields are those that info needs.
var headerFields = []string{"f", "e", "o", "l", "x", "d", "q", "h", "t", "p", "u", "a", "c"}

// gone reports whether only the epoch of an ended session is left.
func (h header) gone() bool { return h["q"] != "" && h["h"] == "" }

func (h header) uint(field string) uint64 {
	n, err := strconv.ParseUint(h[field], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (h header) info(clientID string) session.Info {
	info := session.Info{
		ClientID: clientID, Epoch: session.Epoch(h.uint("e")), Connected: h["o"] != "", Instance: h["o"],
		Since: time.UnixMilli(int64(h.uint("c"))), Expiry: time.Duration(h.uint("x")) * time.Millisecond,
		Ended: h["q"] != "", Protocol: byte(h.uint("p")), Username: h["u"], Address: h["a"],
	}
	if !info.Connected {
		info.Instance = h["l"]
	}
	if due := h.uint("d"); due > 0 {
		info.Expires = time.UnixMilli(int64(due))
	}
	return info
}
