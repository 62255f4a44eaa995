package redisstore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/message"
	"lmqgate/meta/session"
)

// PlaceWill records where a will is about to be sent; see session.Wills. A repeat by the same claim is harmless.
func (s *Store) PlaceWill(ctx context.Context, w session.DueWill, p message.Place) error {
	t := s.trip()
	cmd := t.run(ctx, s.scripts.willPlace, []string{s.keys.wills(w.ClientID)}, w.ID, w.Claim, encodePlace(p),
		session.ClaimTime.Milliseconds())
	if err := t.send(ctx); err != nil {
		return fmt.Errorf("place will: %w", err)
	}
	code, err := cmd.Uint64()
	if err == nil {
		err = codeError(code)
	}
	if err != nil {
		return fmt.Errorf("place will: %w", err)
	}
	return nil
}

// WillsDone forgets published wills in two trips; see session.Wills.
//
// Crash points: after the scripts, entries of due are left under the ends of the claims; Expired moves or drops them.
func (s *Store) WillsDone(ctx context.Context, wills []session.DueWill) error {
	if len(wills) == 0 {
		return nil
	}
	t := s.trip()
	replies := make([]*redis.Cmd, len(wills))
	for i := range wills {
		w := &wills[i]
		replies[i] = t.run(ctx, s.scripts.willDone, []string{s.keys.wills(w.ClientID), s.keys.session(w.ClientID)}, w.ID, w.Claim)
	}
	_ = t.send(ctx) // every reply carries its own error
	var (
		moves []any
		errs  errorSet
	)
	for i, cmd := range replies {
		moves = appendMove(moves, wills[i].ClientID, cmd, &errs)
	}
	errs.add(s.moveDue(ctx, moves))
	if err := errs.err(); err != nil {
		return fmt.Errorf("forget wills: %w", err)
	}
	return nil
}

// hint enters a session into due, now or with the next Beat: Attach has happened and must not fail any more.
func (s *Store) hint(ctx context.Context, z redis.Z) {
	err := s.client.ZAddLT(ctx, s.keys.due(), z).Err()
	if err == nil {
		return
	}
	s.log.Warn("entering a will to publish failed, again with the next heartbeat", "client_id", z.Member, "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hints) < maxStale {
		s.hints = append(s.hints, z)
	}
}

// encodeWill is a will's message as it is stored, "" for none.
func encodeWill(w *session.Will) any {
	if w == nil {
		return ""
	}
	return message.AppendBinary(nil, w.Message)
}

func willDelay(w *session.Will) string {
	if w == nil {
		return "0"
	}
	return millis(w.Delay)
}

// readWills reads wills claimed for the caller: id, claim, placed, place, message of each. One that cannot be read is
// left out: its claim lapses, and a build that knows it may be the next to claim it.
func (s *Store) readWills(clientID string, r *reply) []session.DueWill {
	flat := r.strings()
	var all []session.DueWill
	for ; len(flat) >= 5; flat = flat[5:] {
		w, err := decodeWill(flat)
		if err != nil {
			s.log.Error("reading a will failed, it is left to others", "client_id", clientID, "error", err)
			continue
		}
		w.ClientID = clientID
		all = append(all, w)
	}
	return all
}

func decodeWill(flat []string) (session.DueWill, error) {
	w := session.DueWill{ID: flat[0], Claim: flat[1]}
	placed, err := strconv.ParseInt(flat[2], 10, 64)
	if err != nil {
		return w, fmt.Errorf("read will: %w", err)
	}
	if flat[3] != "" {
		p, err := decodePlace(flat[3])
		if err != nil {
			return w, err
		}
		w.Repeat, w.Since, w.Place = true, time.UnixMilli(placed), &p
	}
	if w.Message, err = message.ParseBinary([]byte(flat[4])); err != nil {
		return w, errors.Join(session.ErrFormat, err)
	}
	return w, nil
}

// encodePlace: format, topic, broker, queue.
func encodePlace(p message.Place) []byte {
	e := encoder{format}
	e.string(p.Topic)
	e.string(p.Broker)
	e.int(int64(p.Queue))
	return e
}

func decodePlace(value string) (p message.Place, err error) {
	d, err := decode(value)
	if err != nil {
		return p, err
	}
	p.Topic, p.Broker = d.string(), d.string()
	queue := d.int()
	if queue < math.MinInt32 || queue > math.MaxInt32 {
		d.fail()
	}
	p.Queue = int(queue)
	return p, d.done("place")
}
