package rocketmq

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
)

// MaxGroupName is the longest name that GroupName makes. It is short, since the
// name stands in that of the retry topic, see CheckGroup.
const MaxGroupName = 33

// GroupName makes the name of a consumer group from parts: the same for the same
// parts, another for others. Short parts of letters, digits and '_' are joined,
// `%LMQ%share-g1-t`; else the name is `%LMQ%--` and the base32 of half a SHA-256.
func GroupName(parts ...string) string {
	joined := strings.Join(parts, "-")
	if len(LMQPrefix)+len(joined) <= MaxGroupName && plainParts(parts) {
		return LMQPrefix + joined
	}
	h := sha256.New()
	for _, p := range parts {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write([]byte(p))
	}
	return LMQPrefix + "--" + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:16])
}

// plainParts tells whether the parts can be read back from their join: none is
// empty, so that "--" stands in hashed names only.
func plainParts(parts []string) bool {
	for _, p := range parts {
		if p == "" || strings.IndexFunc(p, func(r rune) bool { return !plainRune(r) }) >= 0 {
			return false
		}
	}
	return len(parts) > 0
}

func plainRune(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
}
