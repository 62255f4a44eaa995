package topic

import (
	"strings"
	"unicode/utf8"
)

const (
	// maxPopASCII and maxPopOther are the longest names, in bytes, of LMQs that can be shared whatever the consumer group, whose
	// name has 33 bytes at most: of ASCII, and with other characters. RocketMQ 5.4.0 cannot give messages of longer ones back to
	// their group. See rocketmq.CheckGroup.
	maxPopASCII = 127
	maxPopOther = 119 - 33
)

// sharedMark stands before the hash of SharedLMQ. No clear name has a '%' behind the prefix and ends otherwise, and the other
// hashed form has "%~" there.
const sharedMark = "%share~"

// SharedLMQ returns the name of the light message queue that the groups of `$share/<group>/<filter>` consume, from the topic
// name or filter behind the group. It is LMQ wherever groups can consume that: it has at most 127 bytes of ASCII, or with
// other characters 86 bytes. Otherwise it is a further queue of 64 bytes,
//
//	%LMQ%%share~<hash>
//
// with the hash being that of the hashed form of LMQ: the SHA-256 of the normalised name in upper case base32 without padding.
// Filters have the same SharedLMQ if and only if they have the same LMQ.
//
// A message has to be dispatched to both, LMQ for plain subscriptions and SharedLMQ for groups; that costs such a filter one
// queue more, whether or not it is shared. A RocketMQ application that dispatches messages itself and names only the LMQ of
// such a filter does not reach its groups: it has to name its SharedLMQ too.
//
// An LMQ with '@' is consumed as it is. Brokers cannot delete what they keep of its groups: of each that has ended an offset
// stays, and the retry topic if a message came back; see rocketmq.Client.EndGroup. A further queue for such filters would double
// those of all plain subscriptions to names like `inbox/<mail address>`.
func SharedLMQ(nameOrFilter string) string { return SharedLMQOf(nameOrFilter, LMQ(nameOrFilter)) }

// SharedLMQOf is SharedLMQ for callers that have the LMQ of the filter.
func SharedLMQOf(nameOrFilter, lmq string) string {
	if len(lmq) <= maxPopOther || len(lmq) <= maxPopASCII && isASCII(lmq) {
		return lmq
	}
	return LMQPrefix + sharedMark + hashOf(nameOrFilter+trailingSlash(nameOrFilter))
}

func isHashedShared(lmq string) bool {
	return len(lmq) == len(LMQPrefix)+len(sharedMark)+hashChars && strings.HasPrefix(lmq, LMQPrefix+sharedMark)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
