package migrate

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"lmqgate/meta/javameta"
	"lmqgate/meta/topic"
)

// target is a client and its queues.
type target struct {
	id     string
	queues []want
}

// want is one queue of a client. Its filter is "" where there is none, and why says so; topic.OwnFilter stands for the queue of
// what is sent to the client itself.
type want struct{ lmq, filter, why string }

// sharedGroup matches the consumer groups of shared subscriptions here, see rocketmq.GroupName.
var sharedGroup = regexp.MustCompile(`^%LMQ%(--[A-Z2-7]{26}|share-\w+-\w+)$`)

// find returns the clients that are to be taken over, and groups that are none's.
func (m *mover) find(ctx context.Context) (targets []target, skipped []string, err error) {
	all := len(m.opt.Clients) == 0
	queues := make(map[string]map[string]bool) // by client id
	ask := all
	for _, c := range m.opt.Clients {
		queues[c.ID] = map[string]bool{}
		ask = ask || len(c.Filters) == 0
	}
	if ask {
		if skipped, err = m.list(ctx, queues, all); err != nil {
			return nil, nil, err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(queues)) {
		t := target{id: id}
		for _, lmq := range slices.Sorted(maps.Keys(queues[id])) {
			t.queues = append(t.queues, m.wanted(id, lmq))
		}
		targets = append(targets, t)
	}
	for _, c := range m.opt.Clients {
		if len(c.Filters) > 0 {
			i, _ := slices.BinarySearchFunc(targets, c.ID, func(t target, id string) int { return cmp.Compare(t.id, id) })
			targets[i].queues = spelled(targets[i].queues, c.Filters)
		}
	}
	return targets, skipped, nil
}

// list adds the queues of clients in the brokers' tables of offsets.
func (m *mover) list(ctx context.Context, queues map[string]map[string]bool, all bool) (skipped []string, err error) {
	others := make(map[string]bool)
	for _, b := range m.log.Brokers() {
		offsets, err := m.log.LMQOffsets(ctx, b.Name)
		if err != nil {
			return nil, fmt.Errorf("%w; name clients with their filters in a file, then they are asked for one by one", err)
		}
		for _, o := range offsets {
			id, ok := javameta.ClientID(o.Group)
			switch {
			case !ok:
			case queues[id] != nil:
				queues[id][o.Topic] = true
			case all && sharedGroup.MatchString(o.Group):
				others[o.Group] = true
			case all:
				queues[id] = map[string]bool{o.Topic: true}
			}
		}
	}
	return slices.Sorted(maps.Keys(others)), nil
}

// wanted says what a queue of a client is.
func (m *mover) wanted(clientID, lmq string) want {
	switch own := javameta.IsP2P(clientID, lmq); {
	case own && m.opt.P2P && topic.Addressable(clientID):
		return want{lmq: lmq, filter: topic.OwnFilter}
	case own:
		return want{lmq: lmq, why: "point to point messages, which no client is sent here with P2P=false"}
	}
	filter, err := javameta.Filter(lmq)
	if err != nil {
		return want{lmq: lmq, why: err.Error()}
	}
	return want{lmq: lmq, filter: filter}
}

// spelled has the client's own filters instead of those read from names of queues, and adds what is not there.
func spelled(queues []want, filters []string) []want {
	for _, f := range filters {
		w := want{lmq: topic.LMQ(f), filter: f}
		if i := slices.IndexFunc(queues, func(q want) bool { return q.lmq == w.lmq }); i >= 0 {
			queues[i] = w
		} else {
			queues = append(queues, w)
		}
	}
	return queues
}
