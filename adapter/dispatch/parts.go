package dispatch

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"lmqgate/meta/message"
)

// A message whose dispatch list is too long for one RocketMQ message goes out in parts, one after the other. They share
// UNIQ_KEY, so that a session with several of the filters sees one message, and have further index keys, by which Find
// can tell them apart:
//
//	KEYS = <UNIQ_KEY>.<hash of the part's dispatch list> <UNIQ_KEY>.part [<UNIQ_KEY>.last]
//
// After an unknown outcome the part is looked up by its hash: exact, since the lists are kept. When a message is repeated
// after a crash the filters may have changed. If nothing with the UNIQ_KEY is found, nothing was stored. If something is,
// without ".part", the message was whole. With ".last" all parts were stored, since they are sent in order. Otherwise
// the message is split anew and each part looked up by its hash: parts with the same list are not stored again, all others
// are sent. So no queue misses the message; one whose part changed because of a SUBSCRIBE or UNSUBSCRIBE in the midst of
// all this may hold it twice under one UNIQ_KEY.
const (
	propKeys   = "KEYS"
	markPart   = ".part"
	markLast   = ".last"
	hashLetter = 16
)

// dispatchSlack is taken off a budget for the names of the dispatch properties, should it not count them.
const dispatchSlack = 64

// partsOf encodes a message for its queues. split forces the form of a part even for a single one. The error is
// message.ErrRefused: the message's properties leave no room.
func (d *Dispatcher) partsOf(m *message.Message, lmqs []string, split bool) ([]Outgoing, error) {
	r := message.Encode(m)
	budget := min(r.Budget(), d.producer.DispatchBudget(r.Properties)) - dispatchSlack
	lists := message.SplitDispatch(lmqs, budget)
	if split = split || len(lists) > 1; split {
		budget -= splitCost(m.Key)
		lists = message.SplitDispatch(lmqs, budget)
	}
	if budget < message.MaxNameCost {
		return nil, fmt.Errorf("properties of message too long: %w", message.ErrRefused)
	}
	parts := make([]Outgoing, len(lists))
	for i, list := range lists {
		p := r.Part(i)
		if split {
			p.Properties[propKeys] = partKeys(m.Key, list, i == len(lists)-1)
			p.Properties[message.PropPart] = strconv.Itoa(i) // the first one too: whichever a session sees first, the rest are repeats
		}
		parts[i] = Outgoing{Tag: p.Properties[message.PropTags], Key: m.Key, Properties: p.Properties, Dispatch: list, Body: p.Body}
	}
	for i := range parts {
		delete(parts[i].Properties, message.PropTags)
	}
	return parts, nil
}

// partKey is the index key of one part.
func partKey(key string, list []string) string {
	sum := sha256.Sum256([]byte(strings.Join(list, ",")))
	return key + "." + hex.EncodeToString(sum[:])[:hashLetter]
}

func partKeys(key string, list []string, last bool) string {
	keys := partKey(key, list) + " " + key + markPart
	if last {
		keys += " " + key + markLast
	}
	return keys
}

// splitCost is what the properties of a part take beside those of the whole message.
func splitCost(key string) int {
	keys := 3*len(key) + 1 + hashLetter + len(markPart) + len(markLast) + 2
	return len(propKeys) + 2 + keys + len(message.PropPart) + 2 + 5
}
