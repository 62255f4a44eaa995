package rocketmq_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/infra/minimq"
)

// onMinimqAndReal runs test on a minimq and on the RocketMQ that the environment names.
func onMinimqAndReal(t *testing.T, test func(*testing.T, *rocketmq.Client)) {
	t.Run("minimq", func(t *testing.T) {
		s := minimq.New(minimq.Config{})
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		test(t, started(t, rocketmq.Config{NameServers: []string{s.Addr()}, TopicAutoCreate: true}))
	})
	t.Run("real", func(t *testing.T) { test(t, realClient(t, nil)) })
}

func TestKVConfiguration(t *testing.T) {
	onMinimqAndReal(t, func(t *testing.T, c *rocketmq.Client) {
		ctx := contextWith(t, 20*time.Second)
		namespace := fmt.Sprintf("NS-%d", time.Now().UnixNano())
		if table, err := c.KVTable(ctx, namespace); err != nil || len(table) != 0 {
			t.Fatalf("a namespace that nobody wrote: %v, %v", table, err)
		}
		want := map[string]string{rocketmq.KVFirstTopics: "t1,t2", "t1": "t1/+,t1/r/#", "0": "\"{\\"}
		for key, value := range want {
			if err := c.PutKV(ctx, namespace, key, value); err != nil {
				t.Fatal(err)
			}
		}
		one, err := c.KVTable(ctx, namespace)
		if err != nil || fmt.Sprint(one) != fmt.Sprint(want) {
			t.Errorf("got %v, %v, want %v", one, err, want)
		}
		all, err := c.KVTables(ctx, namespace)
		if err != nil || len(all) != 1 {
			t.Fatalf("all name servers: %v, %v", all, err)
		}
		for _, table := range all {
			if fmt.Sprint(table) != fmt.Sprint(want) {
				t.Errorf("got %v, want %v", table, want)
			}
		}
		if err := c.PutKV(ctx, namespace, "long", strings.Repeat("x", 40_000)); err == nil {
			t.Error("a value that no header holds was written")
		}
	})
}

// TestLMQOffsets: what the Java gateway commits is listed, whatever its client ids look like, and what others commit is not.
func TestLMQOffsets(t *testing.T) {
	onMinimqAndReal(t, func(t *testing.T, c *rocketmq.Client) {
		ctx := contextWith(t, 30*time.Second)
		broker := c.Brokers()[0].Name
		lmq := fmt.Sprintf("%%LMQ%%kv%d%%+%%", time.Now().UnixNano())
		groups := map[string]int64{"%LMQ%c1": 7, "%LMQ%gid@@@dev 1": 0, "%LMQ%ü": 3}
		for group, offset := range groups {
			if err := c.CommitConsumerOffset(ctx, broker, group, lmq, 0, offset); err != nil {
				t.Fatal(err)
			}
		}
		list, err := c.LMQOffsets(ctx, broker)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int64{}
		for _, o := range list {
			if o.Topic == lmq {
				got[o.Group] = o.Offset
			}
			if !strings.HasPrefix(o.Topic, "%LMQ%") || !strings.HasPrefix(o.Group, "%LMQ%") {
				t.Errorf("listed %+v", o)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(groups) {
			t.Errorf("got %v, want %v", got, groups)
		}
		for group, want := range groups {
			if n, ok, err := c.QueryConsumerOffset(ctx, broker, group, lmq, 0); err != nil || !ok || n != want {
				t.Errorf("%s: %d %v %v", group, n, ok, err)
			}
		}
	})
}
