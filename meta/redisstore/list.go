package redisstore

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/session"
)

// List lists sessions page by page with SCAN, node after node on a cluster; see session.Viewer. Sessions of an unknown
// format are left out. The cursor is "position" or "position@node".
func (s *Store) List(ctx context.Context, cursor string, limit int) ([]session.Info, string, error) {
	page, next, err := s.headers(ctx, cursor, limit)
	if err != nil {
		return nil, "", fmt.Errorf("list sessions: %w", err)
	}
	infos := make([]session.Info, 0, len(page))
	for _, one := range page {
		if one.header["f"] == "1" && !one.header.gone() {
			infos = append(infos, one.header.info(one.clientID))
		}
	}
	return infos, next, nil
}

// titled is a session's header and its name.
type titled struct {
	clientID string
	header   header
}

// headers reads one page of session headers: one trip to find them, one to read them.
func (s *Store) headers(ctx context.Context, cursor string, limit int) ([]titled, string, error) {
	found, next, err := s.scan(ctx, cursor, limit, s.keys.sessionPattern())
	if err != nil {
		return nil, "", err
	}
	var names []string
	for _, key := range found {
		if id, ok := s.keys.clientID(key); ok {
			names = append(names, id)
		}
	}
	page, err := s.readHeaders(ctx, names)
	return page, next, err
}

// readHeaders reads the headers of sessions in one trip; those that do not exist are left out.
func (s *Store) readHeaders(ctx context.Context, clientIDs []string) ([]titled, error) {
	t := s.trip()
	replies := make([]*redis.SliceCmd, len(clientIDs))
	for i, id := range clientIDs {
		replies[i] = t.pipe.HMGet(ctx, s.keys.session(id), headerFields...)
	}
	if len(replies) == 0 {
		return nil, nil
	}
	if err := t.send(ctx); err != nil {
		return nil, err
	}
	all := make([]titled, 0, len(clientIDs))
	for i, reply := range replies {
		h := make(header)
		for j, v := range reply.Val() {
			if text, ok := v.(string); ok {
				h[headerFields[j]] = text
			}
		}
		if len(h) > 0 {
			all = append(all, titled{clientID: clientIDs[i], header: h})
		}
	}
	return all, nil
}

// scan finds keys that match the pattern, about as many as there are of limit sessions.
func (s *Store) scan(ctx context.Context, cursor string, limit int, pattern string) (found []string, next string, err error) {
	position, node, _ := strings.Cut(cursor, "@")
	var at uint64
	if position != "" {
		if at, err = strconv.ParseUint(position, 10, 64); err != nil {
			return nil, "", fmt.Errorf("malformed cursor %q", cursor)
		}
	}
	from, name, following, err := s.scanNode(ctx, node)
	if err != nil || from == nil {
		return nil, "", err
	}
	if name != node {
		node, at = name, 0
	}
	// A session has up to five keys beside its wills, so five are looked at for each one wanted.
	found, at, err = from.Scan(ctx, at, pattern, int64(5*max(limit, 1))).Result()
	if err != nil {
		return nil, "", err
	}
	switch {
	case at != 0 && node != "":
		return found, strconv.FormatUint(at, 10) + "@" + node, nil
	case at != 0:
		return found, strconv.FormatUint(at, 10), nil
	case following != "":
		return found, "0@" + following, nil
	}
	return found, "", nil
}

// scanNode finds the node to scan, and the name of the one after it. On a cluster the masters go by their addresses;
// one that has vanished is followed by the next.
func (s *Store) scanNode(ctx context.Context, node string) (from redis.Cmdable, name, following string, err error) {
	cluster, ok := s.client.(*redis.ClusterClient)
	if !ok {
		return s.client, "", "", nil
	}
	var mu sync.Mutex // protects masters
	masters := make(map[string]*redis.Client)
	err = cluster.ForEachMaster(ctx, func(_ context.Context, c *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		masters[c.Options().Addr] = c
		return nil
	})
	if err != nil {
		return nil, "", "", err
	}
	var names []string
	for addr := range masters {
		if addr >= node {
			names = append(names, addr)
		}
	}
	slices.Sort(names)
	if len(names) == 0 {
		return nil, "", "", nil
	}
	if len(names) > 1 {
		following = names[1]
	}
	return masters[names[0]], names[0], following, nil
}
