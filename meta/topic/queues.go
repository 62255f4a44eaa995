package topic

import "slices"

// Queues returns the LMQ names of filters, those for plain subscriptions and, where they are others, those for groups (see
// SharedLMQ), each once: several filters may share a queue, and a name given twice in a dispatch list would lose the
// message there.
func Queues(filters []string) []string {
	if len(filters) == 0 {
		return nil
	}
	lmqs := make([]string, 0, len(filters))
	for _, f := range filters {
		lmq := LMQ(f)
		lmqs = append(lmqs, lmq)
		if shared := SharedLMQOf(f, lmq); shared != lmq {
			lmqs = append(lmqs, shared)
		}
	}
	if len(lmqs) == 1 {
		return lmqs
	}
	slices.Sort(lmqs)
	return slices.Compact(lmqs)
}
