package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/message"
)

// retainRead is one call of retain_read: some hits of one shard.
type retainRead struct {
	hits []retainHit
	cmd  *redis.Cmd
}

// values reads the messages of topics that were found, in one round trip, and leaves out what is there no more. When
// they are too many bytes it stops, and says where. An error that is retain.ErrFormat concerns single messages; the
// others are returned with it.
func (r *Retained) values(ctx context.Context, hits []retainHit) (found []*message.Message, stopped *retainPlace, err error) {
	if len(hits) == 0 {
		return nil, nil, nil
	}
	reads := splitReads(hits)
	t := r.store.trip()
	for i := range reads {
		reads[i].cmd = r.readCall(ctx, t, reads[i].hits, retainBytes/len(reads))
	}
	if err := t.send(ctx); err != nil {
		return nil, nil, err
	}
	now := r.now()
	for _, read := range reads {
		items, readErr := read.cmd.Slice()
		if readErr != nil {
			return nil, nil, readErr
		}
		for i, item := range items[:min(len(items), len(read.hits))] {
			value, ok := item.(string)
			if !ok {
				continue // gone
			}
			m, badErr := decodeRetained(fromTreeOrder(read.hits[i].name), value)
			if badErr != nil {
				err = badErr
			} else if !m.Expired(now) {
				found = append(found, m)
			}
		}
		if n := len(items); n > 0 && n < len(read.hits) {
			place := retainPlace{shard: read.hits[0].shard}.behind(read.hits[n-1].name)
			return found, &place, err
		}
	}
	return found, nil, err
}

// splitReads puts together what one script reads: neighbours of one shard, so many at most.
func splitReads(hits []retainHit) []retainRead {
	var reads []retainRead
	begin := 0
	for i := range hits {
		if i+1 == len(hits) || hits[i+1].shard != hits[begin].shard || i+1-begin == retainReads {
			reads = append(reads, retainRead{hits: hits[begin : i+1]})
			begin = i + 1
		}
	}
	return reads
}

// readCall adds a call of retain_read.
func (r *Retained) readCall(ctx context.Context, t *trip, hits []retainHit, bytes int) *redis.Cmd {
	slot := r.store.keys.retained(hits[0].shard)
	keys := append(make([]string, 0, len(hits)+2), slot.index(), slot.expiry())
	args := append(make([]any, 0, len(hits)+1), bytes)
	for _, hit := range hits {
		keys = append(keys, slot.value(fromTreeOrder(hit.name)))
		args = append(args, retainEntry+hit.name)
	}
	return t.run(ctx, r.read, keys, args...)
}
