package topic

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"
	"unicode"
	"unicode/utf8"
)

// LMQPrefix begins the name of every light message queue.
const LMQPrefix = "%LMQ%"

// MaxLMQBytes is the longest LMQ name written in clear; longer ones are hashed.
const MaxLMQBytes = 200

// hashMark stands before the hash. A clear name of several levels ends with '%' and one of a single level has no '%'
// behind the prefix, so no clear name looks like a hashed one.
const hashMark = "%~"

// hashChars is the length of a SHA-256 in base32 without padding.
const hashChars = 52

// First returns the first level of a name or filter, after one leading '/' was stripped: the RocketMQ topic of ordinary
// names. It may be empty, or a wildcard.
func First(nameOrFilter string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(nameOrFilter, "/"), "/")
	return first
}

// LMQ returns the name of the light message queue of a topic name or filter (without `$share/<group>/`).
//
// Normalised, a name with a '/' ends with one. An ordinary name, which is valid UTF-8 of printable runes
// (unicode.IsPrint) without '%' and ',', gives `%LMQ%` + the normalised name with every '/' replaced by '%', as the Java gateway writes it:
//
//	t -> %LMQ%t    t/r1, t/r1/ -> %LMQ%t%r1%    /t/x -> %LMQ%%t%x%    t/# -> %LMQ%t%#%
//
// Any other name, and one whose LMQ would be longer than 200 bytes, gives `%LMQ%<first>%~<hash>` with the hash being the
// SHA-256 of the normalised name in upper case base32 without padding, and <first> being First of the name, or nothing
// where First is not ordinary or too long for 200 bytes in all.
//
// So an LMQ name is never empty, has no comma, no control character and at most 200 bytes: it is safe in a dispatch
// list. It is a coarse address: `t/r1` and `t/r1/` share one. Receivers re-check with Match.
func LMQ(nameOrFilter string) string {
	slash := strings.IndexByte(nameOrFilter, '/') >= 0
	trailing := trailingSlash(nameOrFilter)
	if n := len(LMQPrefix) + len(nameOrFilter) + len(trailing); n > MaxLMQBytes || !ordinary(nameOrFilter) {
		return hashedLMQ(nameOrFilter, trailing)
	}
	if !slash {
		return LMQPrefix + nameOrFilter
	}
	var b strings.Builder
	b.Grow(len(LMQPrefix) + len(nameOrFilter) + len(trailing))
	b.WriteString(LMQPrefix)
	for rest, more := nameOrFilter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		b.WriteString(level)
		if more || trailing != "" {
			b.WriteByte('%')
		}
	}
	return b.String()
}

// trailingSlash is what a name lacks to be normalised.
func trailingSlash(nameOrFilter string) string {
	if strings.IndexByte(nameOrFilter, '/') >= 0 && nameOrFilter[len(nameOrFilter)-1] != '/' {
		return "/"
	}
	return ""
}

// IsHashedLMQ reports whether the name is of a hashed form, LMQ's or SharedLMQ's, which names no topic by itself.
func IsHashedLMQ(lmq string) bool {
	i := len(lmq) - hashChars - len(hashMark)
	return i >= len(LMQPrefix) && strings.HasPrefix(lmq, LMQPrefix) && lmq[i:i+len(hashMark)] == hashMark || isHashedShared(lmq)
}

func hashedLMQ(nameOrFilter, trailing string) string {
	first := First(nameOrFilter)
	if len(LMQPrefix)+len(first)+len(hashMark)+hashChars > MaxLMQBytes || !ordinary(first) {
		first = ""
	}
	return LMQPrefix + first + hashMark + hashOf(nameOrFilter+trailing)
}

// hashOf is the SHA-256 of a normalised name as it stands in names of queues.
func hashOf(normalised string) string {
	sum := sha256.Sum256([]byte(normalised))
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:])
}

// ordinary reports whether s can stand in an LMQ name in clear.
func ordinary(s string) bool {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c < ' ' || c == 0x7f || c == '%' || c == ',' {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
			return false
		}
		i += n
	}
	return true
}
