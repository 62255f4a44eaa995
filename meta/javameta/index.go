package javameta

import "lmqgate/meta/topic"

// Index finds the queues that a Java gateway would dispatch a message to. It does not change and is safe for concurrent use.
type Index struct {
	firsts map[string]*topic.Tree[string] // LMQs of wildcards
}

// Index makes the index of the lists.
func (l *Lists) Index() *Index {
	x := &Index{firsts: make(map[string]*topic.Tree[string], len(l.FirstTopics))}
	for _, first := range l.FirstTopics {
		tree := new(topic.Tree[string])
		for _, filter := range l.Wildcards[first] {
			tree.Add(filter, topic.LMQ(filter))
		}
		x.firsts[first] = tree
	}
	return x
}

// Queues returns the light message queues of a valid topic name, each once, not sorted: none unless its first level is in
// ALL_FIRST_TOPICS; the receiver's own for a point to point name; else that of the topic and those of the wildcards that
// match. Names whose queue is called otherwise by the Java gateway (see topic.IsHashedLMQ) have no queue of their own here.
func (x *Index) Queues(name string) []string {
	tree, known := x.firsts[topic.First(name)]
	if !known {
		return nil
	}
	if id, ok := topic.P2P(name); ok {
		if lmq := topic.P2PLMQ(id); !topic.IsHashedLMQ(lmq) {
			return []string{lmq}
		}
		return nil
	}
	var lmqs []string
	if own := topic.LMQ(name); !topic.IsHashedLMQ(own) {
		lmqs = append(lmqs, own)
	}
	seen := len(lmqs)
	tree.Match(Normal(name), func(lmq string) { lmqs = append(lmqs, lmq) })
	return lmqs[:seen+unique(lmqs[seen:])]
}

// unique moves the different values of a short list to its front and returns how many there are.
func unique(list []string) int {
	n := 0
next:
	for _, v := range list {
		for _, w := range list[:n] {
			if v == w {
				continue next
			}
		}
		list[n] = v
		n++
	}
	return n
}
