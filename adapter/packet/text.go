package packet

import (
	"bytes"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// validText checks the rules of UTF-8 encoded strings: well-formed, no surrogates [MQTT-1.5.4-1], no U+0000
// [MQTT-1.5.4-2].
func validText(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

func validTextString(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// hasWildcard says whether a topic name contains a character that only filters may have [MQTT-3.3.2-2].
func hasWildcard(topic string) bool { return strings.ContainsAny(topic, "+#") }

// aliasString makes a string of b without copying. The caller guarantees that b never changes again.
func aliasString(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}
