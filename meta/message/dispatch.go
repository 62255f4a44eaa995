package message

import (
	"iter"
	"strconv"
	"strings"

	"lmqgate/meta/topic"
)

// MaxProperties is the number of bytes that a message's properties may have at the broker, with what it adds itself.
const MaxProperties = 32767

// offsetBytes is the most that the broker adds for one LMQ: an offset of 20 digits and a ','.
const offsetBytes = 21

// MaxNameCost is what an LMQ name costs at most in SplitDispatch. A Rocket whose Budget is smaller has no room for its list
// and must be refused.
const MaxNameCost = topic.MaxLMQBytes + 1 + offsetBytes

// brokerReserve is kept free for properties that clients and brokers add (CLUSTER, MSG_REGION, TRACE_ON, PART, ...).
const brokerReserve = 1024

// uniqKeyBytes is the length of a UNIQ_KEY.
const uniqKeyBytes = 32

// Budget returns how many bytes the names of one part's dispatch list may cost, as SplitDispatch counts them.
func (r Rocket) Budget() int {
	size := brokerReserve + propertySize(PropKey, "") + uniqKeyBytes + propertySize(PropDispatch, "") + propertySize(PropOffsets, "")
	for k, v := range r.Properties {
		size += propertySize(k, v)
	}
	return MaxProperties - size
}

// propertySize is the length of `key \x01 value \x02`.
func propertySize(k, v string) int { return len(k) + len(v) + 2 }

// SplitDispatch splits LMQ names, in their order, over as few messages as have room for them: a name costs its length, a comma and
// 21 bytes for the offset that the broker adds. There is always one part, without names if there are none, and a part
// has at least one name even where the budget is smaller. Parts share the UNIQ_KEY; see Rocket.Part.
func SplitDispatch(names []string, budget int) [][]string {
	var parts [][]string
	start, cost := 0, 0
	for i, name := range names {
		c := len(name) + 1 + offsetBytes
		if i > start && cost+c > budget {
			parts = append(parts, names[start:i:i])
			start, cost = i, 0
		}
		cost += c
	}
	return append(parts, names[start:])
}

// DispatchOffsets iterates over the LMQs of a stored message and its offset in each: list is PropDispatch, offsets is
// PropOffsets. Pairs without a readable offset are left out. It does not allocate.
func DispatchOffsets(list, offsets string) iter.Seq2[string, int64] {
	return func(yield func(string, int64) bool) {
		for list, offsets := list, offsets; list != "" && offsets != ""; {
			var lmq, offset string
			lmq, list, _ = strings.Cut(list, ",")
			offset, offsets, _ = strings.Cut(offsets, ",")
			n, err := strconv.ParseInt(offset, 10, 64)
			if err == nil && n >= 0 && lmq != "" && !yield(lmq, n) {
				return
			}
		}
	}
}

// OffsetIn returns the offset of a stored message in one LMQ.
func OffsetIn(list, offsets, lmq string) (int64, bool) {
	for name, offset := range DispatchOffsets(list, offsets) {
		if name == lmq {
			return offset, true
		}
	}
	return 0, false
}
