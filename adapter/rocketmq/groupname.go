package rocketmq

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
)

const (
	// MaxGroupName is the longest name that GroupName makes: with it, the retry
	// topic of an LMQ of 200 bytes, the longest that the gateway makes, is within
	// what a broker allows.
	MaxGroupName = 45

	groupHead = 12 // readable beginning of a hashed name
	groupHash = 26 // base32 of 128 bits
)

// GroupName makes the name of a consumer group from parts: the same for the same
// parts, another for others. Short parts of letters, digits and '_' are joined,
// `%LMQ%share-g1-t`; else the name is hashed: `%LMQ%share-g1-t_r--` and base32
// of half a SHA-256.
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
	sum := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:16])
	return LMQPrefix + readable(joined) + "--" + sum
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

// readable is the beginning of s with '_' for what brokers do not allow.
func readable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() == groupHead {
			break
		}
		if !plainRune(r) && r != '-' {
			r = '_'
		}
		b.WriteRune(r)
	}
	return strings.TrimRight(b.String(), "-")
}
