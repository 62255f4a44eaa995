package migrate

import (
	"context"
	"maps"
	"slices"
	"strings"

	"lmqgate/adapter/rocketmq"
	"lmqgate/meta/javameta"
	"lmqgate/meta/topic"
)

// Listing is what has to be listed in the name servers so that messages of Java gateways reach those who subscribe here.
type Listing struct {
	Applied bool                `json:"applied"`
	Missing map[string][]string `json:"missing"` // wildcard filters by first topic
	Values  map[string]string   `json:"values"`  // of the keys that change, whole
	Left    []string            `json:"left"`    // filters that Java gateways cannot dispatch to
	Differ  []string            `json:"differ"`  // keys that the name servers do not agree on
}

// List compares the wildcard filters that are subscribed to here with those listed in the name servers, and adds what is
// missing if apply says so: on every name server, keeping what any of them has. Nothing is ever taken away.
func List(ctx context.Context, log Log, sessions Sessions, apply bool) (*Listing, error) {
	_, filters, err := sessions.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	slices.Sort(filters)
	tables, err := log.KVTables(ctx, rocketmq.KVNamespace)
	if err != nil {
		return nil, err
	}
	r := &Listing{Applied: apply, Values: make(map[string]string)}
	var table map[string]string
	table, r.Differ = union(tables)
	for _, key := range r.Differ {
		r.Values[key] = table[key]
	}
	lists := javameta.Read(table)
	r.Missing, r.Left = lists.Missing(filters)
	for first, missing := range r.Missing {
		if topic.RocketMQTopic(first, "", nil) != first || first == rocketmq.KVFirstTopics || first == rocketmq.KVConnectNodes {
			r.Left = append(r.Left, missing...)
			delete(r.Missing, first)
			continue
		}
		r.Values[first] = join(table[first], missing...)
		if !slices.Contains(lists.FirstTopics, first) {
			table[rocketmq.KVFirstTopics] = join(table[rocketmq.KVFirstTopics], first)
			r.Values[rocketmq.KVFirstTopics] = table[rocketmq.KVFirstTopics]
		}
	}
	slices.Sort(r.Left)
	if !apply {
		return r, nil
	}
	for _, key := range slices.Sorted(maps.Keys(r.Values)) {
		if err := log.PutKV(ctx, rocketmq.KVNamespace, key, r.Values[key]); err != nil {
			return r, err
		}
	}
	return r, nil
}

// union joins what the name servers have, and tells the keys that they do not agree on.
func union(tables map[string]map[string]string) (all map[string]string, differ []string) {
	all = make(map[string]string)
	for _, addr := range slices.Sorted(maps.Keys(tables)) {
		for key, value := range tables[addr] {
			all[key] = join(all[key], strings.Split(value, ",")...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		for _, table := range tables {
			if join(table[key]) != join(all[key]) {
				differ = append(differ, key)
				break
			}
		}
	}
	return all, differ
}

// join adds entries to a comma list, each once, sorted.
func join(list string, entries ...string) string {
	var out []string
	for _, e := range append(strings.Split(list, ","), entries...) {
		if e = strings.TrimSpace(e); e != "" {
			out = append(out, e)
		}
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ",")
}
