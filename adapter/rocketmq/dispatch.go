package rocketmq

import (
	"fmt"
	"strconv"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
)

const (
	// LMQPrefix begins the name of every LMQ.
	LMQPrefix = "%LMQ%"
	// MaxPropertiesBytes is what all properties of a message may take together,
	// the offsets that the broker adds included. The broker's own limit is
	// 32,767; the difference is room for what else it adds (CLUSTER, regions,
	// trace switches, checksums).
	MaxPropertiesBytes = 32_000
	// MaxDispatchBytes is what a dispatch list may take of it, as DispatchBytes
	// counts, when the message has no other properties.
	MaxDispatchBytes = MaxPropertiesBytes - 2_000
	// offsetBytes is one offset in INNER_MULTI_QUEUE_OFFSET: 19 digits, a comma.
	offsetBytes = 20
	// dispatchKeys are the two property names and their separators.
	dispatchKeys = len(remoting.PropertyMultiDispatch) + len(remoting.PropertyMultiQueueOffset) + 4
)

// DispatchBytes returns how many bytes of properties a list of LMQ names takes,
// the offsets that the broker adds included.
func DispatchBytes(names []string) int {
	if len(names) == 0 {
		return 0
	}
	n := dispatchKeys
	for _, name := range names {
		n += DispatchNameBytes(name)
	}
	return n
}

// DispatchNameBytes is what one more name adds to DispatchBytes.
func DispatchNameBytes(name string) int { return len(name) + 1 + offsetBytes }

// DispatchRoom returns how many bytes, as DispatchBytes counts, the dispatch
// list of a message may take that has tag and properties: with a longer list
// the caller splits the message. It is never above MaxDispatchBytes.
func DispatchRoom(tag string, properties map[string]string) int {
	other := propertyBytes(remoting.PropertyTags, tag) + propertyBytes(remoting.PropertyUniqueKey, strings.Repeat("0", 32)) +
		propertyBytes(remoting.PropertyWait, "true")
	for k, v := range properties {
		other += propertyBytes(k, v)
	}
	return min(MaxDispatchBytes, MaxPropertiesBytes-other)
}

func propertyBytes(key, value string) int { return len(key) + len(value) + 2 }

// CheckDispatch tells whether names may stand in INNER_MULTI_DISPATCH. One bad
// name stops the broker's indexing for all, a repeated one loses the message,
// so this is called just before every send; applications that produce their own
// messages should call it too. Errors wrap ErrDispatchList.
func CheckDispatch(names []string) error {
	if n := DispatchBytes(names); n > MaxDispatchBytes {
		return fmt.Errorf("%w: %d bytes, limit %d", ErrDispatchList, n, MaxDispatchBytes)
	}
	for i, name := range names {
		if err := checkName(name); err != nil {
			return fmt.Errorf("%w: %w", ErrDispatchList, err)
		}
		if repeated(names, i) {
			return fmt.Errorf("%w: %q twice", ErrDispatchList, name)
		}
	}
	return nil
}

// repeated tells whether names[i] occurs before i. Short lists, the usual ones,
// are compared pairwise; the bound on the list's bytes bounds the rest.
func repeated(names []string, i int) bool {
	for _, earlier := range names[:i] {
		if earlier == names[i] {
			return true
		}
	}
	return false
}

func checkName(name string) error {
	rest, ok := strings.CutPrefix(name, LMQPrefix)
	if !ok {
		return fmt.Errorf("%q does not start with %s", name, LMQPrefix)
	}
	if rest == "" {
		return fmt.Errorf("%q is empty behind its prefix", name)
	}
	for _, r := range rest {
		if r == ',' || r < 0x20 || r == 0x7f {
			return fmt.Errorf("%q contains %q", name, r)
		}
	}
	return nil
}

// lmqOffset finds the offset of a message in the LMQ name: it stands in
// INNER_MULTI_QUEUE_OFFSET at the position of the name in INNER_MULTI_DISPATCH.
func lmqOffset(p remoting.Properties, name string) (int64, bool) {
	names, ok := p.Get(remoting.PropertyMultiDispatch)
	if !ok {
		return 0, false
	}
	offsets, ok := p.Get(remoting.PropertyMultiQueueOffset)
	if !ok {
		return 0, false
	}
	for {
		n, moreNames, _ := strings.Cut(names, ",")
		o, moreOffsets, _ := strings.Cut(offsets, ",")
		if n == name {
			v, err := strconv.ParseInt(o, 10, 64)
			return v, err == nil && v >= 0
		}
		if moreNames == "" || moreOffsets == "" {
			return 0, false
		}
		names, offsets = moreNames, moreOffsets
	}
}
