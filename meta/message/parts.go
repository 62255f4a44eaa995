package message

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A message whose dispatch list is too long for one RocketMQ message goes out in parts, one after the other. They share
// UNIQ_KEY, so that a session with several of the filters sees one message, and have further index keys, by which a
// publisher can tell them apart:
//
//	KEYS = <UNIQ_KEY>.<hash of the part's dispatch list> <UNIQ_KEY>.part [<UNIQ_KEY>.last]
//
// After an unknown outcome the part is looked up by its hash: exact, since the lists are kept. When a message is repeated
// after a crash the filters may have changed. If nothing with the UNIQ_KEY is found, nothing was stored. If something is,
// without MarkPart, the message was whole. With MarkLast all parts were stored, since they are sent in order. Otherwise
// the message is split anew and each part looked up by its hash: parts with the same list are not stored again, all others
// are sent. So no queue misses the message; one whose part changed because of a SUBSCRIBE or UNSUBSCRIBE in the midst of
// all this may hold it twice under one UNIQ_KEY.
const (
	PropKeys   = "KEYS"
	MarkPart   = ".part"
	MarkLast   = ".last"
	hashLetter = 16
)

// DispatchSlack is taken off a budget for the names of the dispatch properties, should it not count them.
const DispatchSlack = 64

// Part is one RocketMQ message of a Message. All is read only.
type Part struct {
	Tag        string
	Key        string            // UNIQ_KEY
	Properties map[string]string // without PropTags, PropKey and PropDispatch
	Dispatch   []string          // LMQ names, unique; empty = no dispatch property at all
	Body       []byte
}

// Parts encodes a message for its LMQs, which are unique. room is how many bytes a dispatch list may cost beside properties, as
// the client that sends counts it. split forces the form of a part even for a single one. The error is ErrRefused: the
// message's properties leave no room.
func Parts(m *Message, lmqs []string, room func(properties map[string]string) int, split bool) ([]Part, error) {
	r := Encode(m)
	budget := min(r.Budget(), room(r.Properties)) - DispatchSlack
	lists := SplitDispatch(lmqs, budget)
	if split = split || len(lists) > 1; split {
		budget -= splitCost(m.Key)
		lists = SplitDispatch(lmqs, budget)
	}
	if budget < MaxNameCost {
		return nil, fmt.Errorf("properties of message too long: %w", ErrRefused)
	}
	parts := make([]Part, len(lists))
	for i, list := range lists {
		p := r.Part(i)
		if split {
			p.Properties[PropKeys] = partKeys(m.Key, list, i == len(lists)-1)
			p.Properties[PropPart] = strconv.Itoa(i) // the first one too: whichever a session sees first, the rest are repeats
		}
		parts[i] = Part{Tag: p.Properties[PropTags], Key: m.Key, Properties: p.Properties, Dispatch: list, Body: p.Body}
	}
	for i := range parts {
		delete(parts[i].Properties, PropTags)
	}
	return parts, nil
}

// PartKey is the index key of one part.
func PartKey(key string, list []string) string {
	sum := sha256.Sum256([]byte(strings.Join(list, ",")))
	return key + "." + hex.EncodeToString(sum[:])[:hashLetter]
}

func partKeys(key string, list []string, last bool) string {
	keys := PartKey(key, list) + " " + key + MarkPart
	if last {
		keys += " " + key + MarkLast
	}
	return keys
}

// splitCost is what the properties of a part take beside those of the whole message.
func splitCost(key string) int {
	keys := 3*len(key) + 1 + hashLetter + len(MarkPart) + len(MarkLast) + 2
	return len(PropKeys) + 2 + keys + len(PropPart) + 2 + 5
}
