package javameta

import (
	"errors"
	"slices"
	"strings"

	"lmqgate/meta/topic"
)

// Errors of Filter.
var (
	// ErrNotLMQ: the name is not that of a light message queue.
	ErrNotLMQ = errors.New("not the name of a light message queue")
	// ErrInternal: the queue is the Java gateway's own, for messages that a client did not acknowledge.
	ErrInternal = errors.New("a retry queue of the Java gateway")
	// ErrNoFilter: no valid filter has that queue.
	ErrNoFilter = errors.New("no topic filter has this queue")
)

// Group is the consumer group under which the Java gateway commits a client's cursors; topic is the LMQ, queue 0.
func Group(clientID string) string { return topic.LMQPrefix + clientID }

// ClientID is the inverse of Group.
func ClientID(group string) (string, bool) {
	id, ok := strings.CutPrefix(group, topic.LMQPrefix)
	return id, ok && id != ""
}

// Filter returns the filter that a client of the Java gateway most likely subscribed to, from the name of the queue: a '%'
// stands for '/', and the trailing slash that the Java gateway adds is taken away.
func Filter(lmq string) (string, error) {
	name, ok := strings.CutPrefix(lmq, topic.LMQPrefix)
	if !ok || name == "" {
		return "", ErrNotLMQ
	}
	if topic.IsHashedLMQ(lmq) {
		return "", ErrNoFilter
	}
	filter := strings.ReplaceAll(name, "%", "/")
	if strings.HasPrefix(filter, "/retry/") {
		return "", ErrInternal
	}
	if len(filter) > 1 {
		filter = strings.TrimSuffix(filter, "/")
	}
	if topic.ValidFilter(filter) != nil || topic.LMQ(filter) != lmq {
		return "", ErrNoFilter
	}
	return filter, nil
}

// IsP2P reports whether a queue is that of the client's point to point messages.
func IsP2P(clientID, lmq string) bool { return lmq == topic.P2PLMQ(clientID) }

// Missing returns, by first topic, the wildcard filters that have to be listed so that messages of Java gateways reach those
// who subscribe to them here. A filter whose first level is a wildcard has to stand under every first topic. Filters that
// the Java gateway cannot dispatch to are in left.
func (l *Lists) Missing(filters []string) (missing map[string][]string, left []string) {
	missing = make(map[string][]string)
	for _, f := range filters {
		if !topic.IsWildcard(f) {
			continue // dispatched to anyway
		}
		if check(Normal(f)) != nil {
			left = append(left, f)
			continue
		}
		under := []string{topic.First(f)}
		if topic.IsWildcard(under[0]) {
			under = l.FirstTopics
		}
		for _, first := range under {
			if n := Normal(f); first == "" {
				left = append(left, f)
			} else if !slices.Contains(l.Wildcards[first], n) && !slices.Contains(missing[first], n) {
				missing[first] = append(missing[first], n)
			}
		}
	}
	for _, list := range missing {
		slices.Sort(list)
	}
	return missing, left
}
