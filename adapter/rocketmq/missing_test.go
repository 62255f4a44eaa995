package rocketmq_test

import (
	"context"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/infra/minimq"
)

// TestTopicMissesBroker: a topic is made although a broker is away; and that broker gets what looking for keys needs when it
// is back.
func TestTopicMissesBroker(t *testing.T) {
	mq := minimq.RunWith(t, minimq.Config{Brokers: 2})
	c, err := rocketmq.New(rocketmq.Config{NameServers: []string{mq.Addr()}, TopicAutoCreate: true, DirectSend: true, RefreshEvery: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	for len(c.Brokers()) < 2 {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%d brokers known", len(c.Brokers()))
		}
	}
	away := mq.Brokers()[0]
	away.Faults().Down()
	for _, topic := range []string{"MQTT_OTHER", "fresh"} {
		queues, err := c.Queues(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range queues {
			if q.Broker == away.Name() {
				t.Errorf("%s has a queue at the broker that is away", topic)
			}
		}
	}
	if err := away.Faults().Up(); err != nil {
		t.Fatal(err)
	}
	if found, err := c.FindKey(ctx, away.Name(), "fresh", rocketmq.NewKey(), time.Now().Add(-time.Hour)); err != nil || found {
		t.Errorf("found %v, %v", found, err)
	}
}
