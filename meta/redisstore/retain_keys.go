package redisstore

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"lmqgate/meta/retain"
	"lmqgate/meta/topic"
)

// retainShards is how many slots the retained messages are spread over, by the first level of the topic. It is part of
// the stored format.
const retainShards = 16

// retainEntry begins every entry of an index. Entries of another format begin with another byte.
const retainEntry = "\x01"

// retainSlot is a shard of the retained messages; its keys share one hash slot.
type retainSlot struct{ head string }

func (k keys) retained(shard int) retainSlot {
	return retainSlot{fmt.Sprintf("%sret:{r%02d}", k.prefix, shard)}
}

func (s retainSlot) index() string             { return s.head + ":i" }
func (s retainSlot) expiry() string            { return s.head + ":x" }
func (s retainSlot) value(topic string) string { return s.head + ":v:" + topic }

// retainShard is the shard of a topic, or of all topics that a filter beginning with a literal level can match: FNV-1a,
// 32 bit, of the first level.
func retainShard(name string) int {
	first, _, _ := strings.Cut(name, "/")
	h := fnv.New32a()
	_, _ = h.Write([]byte(first))
	return int(h.Sum32() % retainShards)
}

// treeOrder writes a topic so that its bytes sort in the order of the topic tree: a branch stands in one piece, behind
// the topic it hangs from. NUL is in no topic [MQTT-4.7.3-2].
func treeOrder(name string) string { return strings.ReplaceAll(name, "/", "\x00") }

// fromTreeOrder undoes treeOrder.
func fromTreeOrder(s string) string { return strings.ReplaceAll(s, "\x00", "/") }

// retainPlace is where an iteration goes on: the first place of a shard's index not yet looked at, in tree order.
type retainPlace struct {
	shard int
	from  string
}

// behind is the place right behind a topic, given in tree order.
func (p retainPlace) behind(name string) retainPlace { return retainPlace{p.shard, name + "\x00"} }

// cursor writes the place as a cursor: the shard, a colon, the place in the shard with '/' for NUL.
func (p retainPlace) cursor() string { return strconv.Itoa(p.shard) + ":" + fromTreeOrder(p.from) }

// parseRetainCursor reads a cursor of an iteration over the shards first to last.
func parseRetainCursor(cursor string, first, last int) (retainPlace, error) {
	if cursor == "" {
		return retainPlace{shard: first}, nil
	}
	shard, from, ok := strings.Cut(cursor, ":")
	n, err := strconv.Atoi(shard)
	if !ok || err != nil || n < first || n > last || len(from) > 2*topic.MaxBytes+2 {
		return retainPlace{}, retain.ErrCursor
	}
	return retainPlace{shard: n, from: treeOrder(from)}, nil
}
