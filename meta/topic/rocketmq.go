package topic

import "strings"

// MaxRocketMQBytes is the longest RocketMQ topic name (TOPIC_MAX_LENGTH).
const MaxRocketMQBytes = 127

// RocketMQTopic returns the RocketMQ topic that a name is produced to: its first level if that is a possible topic name
// (`[A-Za-z0-9_-]{1,127}`), not reserved by RocketMQ and allowed, otherwise fallback. A nil allowed allows any.
//
// Of a name in a tenant's space it is the RocketMQ topic of the tenant's own name, in the RocketMQ namespace of the tenant:
// `<tenant>%<topic>`, as RocketMQ's clients write a topic when they are given a namespace. No plain name has a '%', so no two
// tenants, nor a tenant and anybody else, have one together. Where that is too long it is the fallback, with the
// namespace if there is room for it.
func RocketMQTopic(name, fallback string, allowed func(first string) bool) string {
	prefix, own := cutSpace(name)
	first := First(own)
	if !plain(first) || Reserved(first) || allowed != nil && !allowed(first) {
		first = fallback
	}
	if prefix == "" {
		return first
	}
	namespace := Space{prefix}.Tenant() + "%"
	if len(namespace)+len(first) > MaxRocketMQBytes {
		first = fallback
	}
	if first == "" || len(namespace)+len(first) > MaxRocketMQBytes {
		return fallback
	}
	return namespace + first
}

// Reserved reports whether RocketMQ keeps a topic name for itself: the system topics of its TopicValidator, what brokers
// and clients create under fixed prefixes (`%RETRY%`, `%DLQ%`, `%LMQ%`, `rmq_sys_`), and reply topics
// (`<cluster>_REPLY_TOPIC`). A topic named like the cluster or a broker is taken there too, but only the configuration
// knows those names; the default cluster's is included.
func Reserved(t string) bool {
	switch t {
	case "TBW102", "SCHEDULE_TOPIC_XXXX", "SCHEDULE_TOPIC_XXXX_V2", "BenchmarkTest", "TRANS_CHECK_MAX_TIME_TOPIC",
		"SELF_TEST_TOPIC", "OFFSET_MOVED_EVENT", "CHECKPOINT_TOPIC", "DefaultCluster":
		return true
	}
	for _, p := range [...]string{"%", "RMQ_SYS_", "rmq_sys_", "CID_RMQ_SYS_"} {
		if strings.HasPrefix(t, p) {
			return true
		}
	}
	return strings.HasSuffix(t, "_REPLY_TOPIC")
}

// plain reports whether s matches [A-Za-z0-9_-]{1,127}.
func plain(s string) bool {
	if s == "" || len(s) > MaxRocketMQBytes {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}
