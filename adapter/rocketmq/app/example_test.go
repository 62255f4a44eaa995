package app_test

import (
	"context"
	"fmt"
	"os"

	rocketclient "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/app"
	"lmqgate/meta/message"
	"lmqgate/meta/redisstore"
)

// A service tells all phones in a room, those that come later too, and one phone alone.
func ExampleClient_Publish() {
	ctx := context.Background()
	c, err := app.Open(ctx, app.Config{
		RocketMQ: rocketmq.Config{NameServers: []string{os.Getenv("NAMESRV_ADDR")}},
		Redis:    redisstore.Config{URL: os.Getenv("REDIS_URL")},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = c.Close(ctx) }()
	for _, m := range []*message.Message{
		{Topic: "room/1/light", Payload: []byte("on"), QoS: 1, Retain: true},
		{Topic: "room/p2p/phone-7/word", Payload: []byte("you were first"), QoS: 1},
	} {
		if _, err := c.Publish(ctx, m); err != nil {
			fmt.Println(err)
		}
	}
}

// Members of a consumer group share what MQTT clients publish.
func ExampleSubscribe() {
	c, err := rocketclient.NewPushConsumer(consumer.WithNameServer([]string{os.Getenv("NAMESRV_ADDR")}), consumer.WithGroupName("lamps"))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = app.Subscribe(c, []string{"room/+/light"}, func(_ context.Context, m *message.Message) error {
		fmt.Printf("%s is %s\n", m.Topic, m.Payload)
		return nil
	})
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		fmt.Println(err)
	}
}
