package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"lmqgate/meta/registry"
	"lmqgate/meta/session"
)

// Holders lists the holdings of a filter page by page, those of shared subscriptions under `$share/group/filter`; of
// such a filter only its group's. A page may be longer or shorter than limit, and a holding may come twice.
func (s *Store) Holders(ctx context.Context, filter string, cursor uint64, limit int) ([]registry.Hold, uint64, error) {
	asked := filter
	who := holderOf(filter, "")
	filter = who.filter
	key := s.keys.slotOf(filter).holders(filter)
	pairs, next, err := s.client.HScan(ctx, key, cursor, "", int64(max(limit, 1))).Result()
	if err != nil {
		return nil, 0, fmt.Errorf("list holders: %w", err)
	}
	holds := make([]registry.Hold, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		epoch, seq, err := parseTag(pairs[i+1])
		if err != nil {
			return nil, 0, fmt.Errorf("list holders: %w", err)
		}
		h := holdOf(filter, pairs[i])
		if h.Epoch, h.Seq = epoch, seq; who.group == "" || h.Filter == asked {
			holds = append(holds, h)
		}
	}
	return holds, next, nil
}

// parseTag reads the value of a holding: "1.epoch.seq".
func parseTag(value string) (epoch, seq uint64, err error) {
	version, rest, _ := strings.Cut(value, ".")
	if version != "1" {
		return 0, 0, session.ErrFormat
	}
	e, q, _ := strings.Cut(rest, ".")
	if epoch, err = strconv.ParseUint(e, 10, 64); err == nil {
		seq, err = strconv.ParseUint(q, 10, 64)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("malformed holding: %w", session.ErrFormat)
	}
	return epoch, seq, nil
}

// Filters lists held filters page by page, wildcards first, then shard by shard of the exact ones; a page may be longer
// than limit, and a filter may come twice. The cursor is "shard:position", the wildcards being shard -1.
func (s *Store) Filters(ctx context.Context, cursor string, limit int) ([]string, string, error) {
	shard, at, err := parseFiltersCursor(cursor)
	if err != nil {
		return nil, "", fmt.Errorf("list filters: %w", err)
	}
	var filters []string
	for shard < exactShards && len(filters) < max(limit, 1) {
		from := s.keys.wildcards()
		if shard >= 0 {
			from = s.keys.exact(shard)
		}
		page, next, err := s.client.SScan(ctx, from.set(), at, "", int64(max(limit-len(filters), 1))).Result()
		if err != nil {
			return nil, "", fmt.Errorf("list filters: %w", err)
		}
		filters = append(filters, page...)
		if at = next; at == 0 {
			shard++
		}
	}
	if shard == exactShards {
		return filters, "", nil
	}
	return filters, fmt.Sprintf("%d:%d", shard, at), nil
}

func parseFiltersCursor(cursor string) (shard int, at uint64, err error) {
	if cursor == "" {
		return -1, 0, nil
	}
	left, right, _ := strings.Cut(cursor, ":")
	if shard, err = strconv.Atoi(left); err == nil {
		at, err = strconv.ParseUint(right, 10, 64)
	}
	if err != nil || shard < -1 || shard >= exactShards {
		return 0, 0, fmt.Errorf("malformed cursor %q", cursor)
	}
	return shard, at, nil
}
