package topic

import (
	"errors"
	"strings"
)

// SharePrefix begins the filter of a shared subscription: `$share/<group>/<filter>`.
const SharePrefix = "$share/"

// ErrShare says that a filter begins with `$share/` but has no group, a group with a wildcard, or no filter behind it
// [MQTT-4.8.2-1] [MQTT-4.8.2-2].
var ErrShare = errors.New("malformed shared subscription")

// ParseShared splits the filter of a shared subscription. For any other filter it returns the filter as inner and
// shared = false. A shared subscription inside a shared subscription is refused. The rules of inner itself are
// ValidFilter's.
func ParseShared(filter string) (group, inner string, shared bool, err error) {
	rest, ok := strings.CutPrefix(filter, SharePrefix)
	if !ok {
		return "", filter, false, nil
	}
	group, inner, _ = strings.Cut(rest, "/")
	if group == "" || inner == "" || IsWildcard(group) || strings.HasPrefix(inner, SharePrefix) {
		return "", "", false, ErrShare
	}
	return group, inner, true, nil
}
