package redisstore

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
	"lmqgate/meta/topic"
)

var _ registry.Groups = (*Store)(nil)

// Answers of group_join.lua beside codeDone and codeFormat.
const (
	codeNoGroup   = 0
	codeBegin     = 3
	codeBeginning = 4
	codeFull      = 5
)

// maxBrokers bounds the brokers that are noted with a life; those beyond are as if they had been away.
const maxBrokers = 256

// Join asks for the life of a group; see registry.Groups.
func (s *Store) Join(ctx context.Context, filter string, lease time.Duration, limit int) (registry.Life, registry.Stage, error) {
	token, err := s.token()
	if err != nil {
		return registry.Life{}, 0, fmt.Errorf("join group: %w", err)
	}
	r, err := s.onGroup(ctx, s.scripts.groupJoin, filter, token, lease.Milliseconds(), limit)
	if err != nil {
		return registry.Life{}, 0, fmt.Errorf("join group: %w", err)
	}
	switch r.code {
	case codeBeginning:
		return registry.Life{}, registry.StageWait, nil
	case codeFull:
		return registry.Life{}, 0, registry.ErrTooManyGroups
	case codeBegin:
		return r.life, registry.StageBegin, nil
	}
	return r.life, registry.StageBegun, nil
}

// Begun says that a life has begun; see registry.Groups.
func (s *Store) Begun(ctx context.Context, filter string, l registry.Life) (bool, error) {
	r, err := s.onGroup(ctx, s.scripts.groupBegun, filter, l.Token, brokersText(l.Brokers))
	switch {
	case err == registry.ErrNoGroup:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("begin group: %w", err)
	}
	return r.code == codeDone, nil
}

// Renew returns the life that a group has; see registry.Groups.
func (s *Store) Renew(ctx context.Context, filter string, l registry.Life) (registry.Life, error) {
	r, err := s.onGroup(ctx, s.scripts.groupRenew, filter, l.Token, l.Since, brokersText(l.Brokers))
	if err != nil {
		return registry.Life{}, fmt.Errorf("renew group: %w", err)
	}
	return r.life, nil
}

// OnGroupEnd sets who is told of groups that ended; see registry.Groups.
func (s *Store) OnGroupEnd(fn func(filter string, l registry.Life)) { s.groupEnd = fn }

// groupReply is the answer of a group script.
type groupReply struct {
	code uint64
	life registry.Life
}

// onGroup runs a script on one group.
func (s *Store) onGroup(ctx context.Context, sc script, filter string, args ...any) (groupReply, error) {
	h := holderOf(filter, "")
	if h.group == "" {
		return groupReply{}, fmt.Errorf("%q is no shared subscription", filter)
	}
	at := s.keys.slotOf(h.filter)
	t := s.trip()
	cmd := t.run(ctx, sc, []string{at.head, at.groups(h.filter)}, append([]any{h.group}, args...)...)
	if err := t.send(ctx); err != nil {
		return groupReply{}, err
	}
	r := newReply(cmd)
	answer := groupReply{code: r.uint()}
	switch {
	case r.err != nil:
		return answer, r.err
	case answer.code == codeNoGroup:
		return answer, registry.ErrNoGroup
	case answer.code == codeFormat:
		return answer, session.ErrFormat
	case len(r.items) == 0:
		return answer, nil
	}
	var err error
	answer.life, err = parseLife(r.string())
	return answer, err
}

// tellEnded tells of the groups that a release script ended.
func (s *Store) tellEnded(cmd *redis.Cmd, part []registry.Hold) error {
	r := newReply(cmd)
	if err := r.code(); err != nil {
		return err
	}
	ended := r.strings()
	if r.err != nil {
		return r.err
	}
	for i := 0; i+1 < len(ended) && s.groupEnd != nil; i += 2 {
		n, err := strconv.Atoi(ended[i])
		if err != nil || n < 0 || n >= len(part) {
			return fmt.Errorf("release script named holding %q of %d", ended[i], len(part))
		}
		l, err := parseLife(ended[i+1])
		if err != nil {
			return err
		}
		if l.Token != "" {
			s.groupEnd(part[n].Filter, l)
		}
	}
	return nil
}

// parseLife reads "1 members stage token since brokers"; a token "-" is none.
func parseLife(text string) (registry.Life, error) {
	parts := strings.SplitN(text, " ", 6)
	if len(parts) != 6 || parts[0] != "1" {
		return registry.Life{}, fmt.Errorf("malformed group: %w", session.ErrFormat)
	}
	since, err := strconv.ParseInt(parts[4], 10, 64)
	if err != nil {
		return registry.Life{}, fmt.Errorf("malformed group: %w", session.ErrFormat)
	}
	l := registry.Life{Token: parts[3], Since: since}
	if l.Token == "-" {
		l.Token = ""
	}
	for name := range strings.SplitSeq(parts[5], ",") {
		if name, err = url.QueryUnescape(name); err != nil {
			return registry.Life{}, fmt.Errorf("malformed group: %w", session.ErrFormat)
		}
		if name != "" {
			l.Brokers = append(l.Brokers, name)
		}
	}
	return l, nil
}

func brokersText(brokers []string) string {
	escaped := make([]string, 0, len(brokers))
	for _, b := range brokers[:min(len(brokers), maxBrokers)] {
		escaped = append(escaped, url.QueryEscape(b))
	}
	return strings.Join(escaped, ",")
}

// holder is a holding as it is kept: a shared subscription `$share/group/filter` holds filter, as a field of its own
// beside a plain holding of the same client.
type holder struct {
	filter string
	group  string // "" = plain
	field  string // client id, or client id NUL group; neither has a NUL [MQTT-1.5.4-2]
}

func holderOf(filter, clientID string) holder {
	group, inner, shared, err := topic.ParseShared(filter)
	if err != nil || !shared {
		return holder{filter: filter, field: clientID}
	}
	return holder{filter: inner, group: group, field: clientID + "\x00" + group}
}

// holdOf is the holding of filter that a field stands for.
func holdOf(filter, field string) registry.Hold {
	clientID, group, shared := strings.Cut(field, "\x00")
	if shared {
		filter = topic.SharePrefix + group + "/" + filter
	}
	return registry.Hold{Filter: filter, ClientID: clientID}
}
