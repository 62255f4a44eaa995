package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"lmqgate/meta/topic"
)

// maxTopicLooks and maxTopics bound the work and the answer of Topics.
const (
	maxTopicLooks = 200_000
	maxTopics     = 10_000
)

// Topic sums up the filters of one first level.
type Topic struct {
	First         string `json:"first_level"`    // `+` and `#` are filters that begin so
	RocketMQ      string `json:"rocketmq_topic"` // that its messages are in; "" for `+` and `#`, which read all
	Filters       int64  `json:"filters"`
	Wildcards     int64  `json:"wildcards"`     // of them
	Subscriptions int64  `json:"subscriptions"` // of all clients to these filters
}

// Topics are those that are subscribed to.
type Topics struct {
	Topics []Topic `json:"topics"`
	// Complete says that all filters were looked at; otherwise there are too many, and the figures are of a part of them.
	Complete bool `json:"complete"`
}

// Topics sums up all filters by their first level, the most subscribed first. It reads them page by page.
func (a *Admin) Topics(ctx context.Context) (Topics, error) {
	sums := make(map[string]*Topic)
	seen := make(map[string]bool)
	complete, cursor := true, ""
	for {
		found, next, err := a.cfg.Filters.Filters(ctx, cursor, scanPage)
		if err != nil {
			return Topics{}, err
		}
		found = slices.DeleteFunc(found, func(f string) bool {
			again := seen[f]
			seen[f] = true
			return again
		})
		counted, err := a.count(ctx, found)
		if err != nil {
			return Topics{}, err
		}
		for _, f := range counted {
			complete = a.sum(sums, f) && complete
		}
		if cursor = next; cursor == "" {
			break
		}
		if len(seen) >= maxTopicLooks {
			complete = false
			break
		}
	}
	out := Topics{Topics: make([]Topic, 0, len(sums)), Complete: complete}
	for _, t := range sums {
		out.Topics = append(out.Topics, *t)
	}
	slices.SortFunc(out.Topics, func(a, b Topic) int {
		return cmp.Or(cmp.Compare(b.Subscriptions, a.Subscriptions), cmp.Compare(a.First, b.First))
	})
	return out, nil
}

// sum adds a filter to its topic; false: there are too many topics.
func (a *Admin) sum(sums map[string]*Topic, f Filter) bool {
	space := topic.SpaceIn(f.Filter)
	own, _ := space.Unmount(f.Filter)
	level := topic.First(own)
	first := level
	if mounted, err := space.Mount(level); err == nil {
		first = mounted
	}
	t := sums[first]
	if t == nil {
		if len(sums) >= maxTopics {
			return false
		}
		t = &Topic{First: first}
		if level != "+" && level != "#" {
			t.RocketMQ = a.cfg.RocketMQTopic(f.Filter)
		}
		sums[first] = t
	}
	t.Filters++
	t.Subscriptions += f.Subscribers
	if topic.IsWildcard(f.Filter) {
		t.Wildcards++
	}
	return true
}

func errCursor(cursor string) error { return fmt.Errorf("%w %.100q", ErrCursor, cursor) }
