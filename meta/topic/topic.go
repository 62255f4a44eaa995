// Package topic is the grammar of MQTT topic names and filters: what is valid, what matches, and under which RocketMQ
// topic and light message queue (LMQ) a name travels.
package topic

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// MaxBytes is the longest topic name or filter that MQTT can carry [MQTT-4.7.3-3].
const MaxBytes = 65535

// Errors of the validation functions; all say that the name or filter must be refused.
var (
	ErrEmpty    = errors.New("topic is empty")                                              // [MQTT-4.7.3-1]
	ErrTooLong  = errors.New("topic is longer than 65535 bytes")                            // [MQTT-4.7.3-3]
	ErrUTF8     = errors.New("topic is not valid UTF-8")                                    // [MQTT-1.5.4-1]
	ErrNUL      = errors.New("topic contains U+0000")                                       // [MQTT-4.7.3-2]
	ErrWildcard = errors.New("topic name contains a wildcard")                              // [MQTT-4.7.0-1]
	ErrHash     = errors.New("'#' is not the last level of the filter, or not alone in it") // [MQTT-4.7.1-1]
	ErrPlus     = errors.New("'+' does not fill a whole level of the filter")               // [MQTT-4.7.1-2]
)

// ValidName reports what is wrong with a topic name, or nil.
func ValidName(s string) error {
	if err := validString(s); err != nil {
		return err
	}
	if IsWildcard(s) {
		return ErrWildcard
	}
	return nil
}

// ValidFilter reports what is wrong with a topic filter, or nil. A filter that begins with `$share/` must be a well
// formed shared subscription [MQTT-4.8.2-1] [MQTT-4.8.2-2].
func ValidFilter(s string) error {
	if err := validString(s); err != nil {
		return err
	}
	_, inner, _, err := ParseShared(s)
	if err != nil {
		return err
	}
	return validWildcards(inner)
}

// Levels counts the levels of a name or filter; callers bound it before a filter reaches a Tree, whose memory grows
// with it.
func Levels(s string) int { return strings.Count(s, "/") + 1 }

// validString holds the rules that names and filters share.
func validString(s string) error {
	switch {
	case s == "":
		return ErrEmpty
	case len(s) > MaxBytes:
		return ErrTooLong
	case strings.IndexByte(s, 0) >= 0:
		return ErrNUL
	case !utf8.ValidString(s):
		return ErrUTF8
	}
	return nil
}

// validWildcards checks that wildcards fill their level and that '#' comes last.
func validWildcards(filter string) error {
	if !IsWildcard(filter) {
		return nil
	}
	for rest, more := filter, true; more; {
		var level string
		level, rest, more = strings.Cut(rest, "/")
		switch {
		case level == "#" && !more, level == "+":
		case strings.IndexByte(level, '#') >= 0:
			return ErrHash
		case strings.IndexByte(level, '+') >= 0:
			return ErrPlus
		}
	}
	return nil
}
