// Command mqttapp is a RocketMQ application that talks with MQTT clients:
//
//	mqttapp publish TOPIC PAYLOAD      publishes to MQTT clients, and keeps the message (-retain) if asked
//	mqttapp consume GROUP FILTER...    prints what MQTT clients publish
//	mqttapp answer GROUP FILTER...     answers requests of MQTT clients and applications: their payload in upper case
//	mqttapp ask TOPIC PAYLOAD          asks, and prints the answer
//
// It finds RocketMQ at NAMESRV_ADDR and Redis at REDIS_URL.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	rocketclient "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/app"
	"lmqgate/meta/message"
	"lmqgate/meta/redisstore"
)

func main() {
	rlog.SetLogLevel("error")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mqttapp:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("mqttapp", flag.ContinueOnError)
	retain := flags.Bool("retain", false, "publish: keep the message for those who subscribe later")
	qos := flags.Int("qos", 1, "publish, ask: 0, 1 or 2")
	if err := flags.Parse(args); err != nil {
		return err
	}
	verb, args := flags.Arg(0), flags.Args()
	if len(args) < 3 {
		return errors.New("usage: mqttapp [-retain] [-qos N] publish|ask TOPIC PAYLOAD, or mqttapp consume|answer GROUP FILTER")
	}
	c, err := open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = c.Close(last)
	}()
	m := &message.Message{Topic: args[1], Payload: []byte(args[2]), QoS: byte(*qos), Retain: *retain}
	switch verb {
	case "publish":
		r, err := c.Publish(ctx, m)
		if err == nil {
			fmt.Printf("%s to %d queues\n", r.Key, r.Queues)
		}
		return err
	case "consume":
		return consume(ctx, args[1], args[2:], func(m *message.Message) error {
			fmt.Printf("%s %s\n", m.Topic, m.Payload)
			return nil
		})
	case "answer":
		return consume(ctx, args[1], args[2:], func(m *message.Message) error {
			answer, err := app.Reply(m, bytes.ToUpper(m.Payload))
			if errors.Is(err, app.ErrNoResponseTopic) {
				return nil
			}
			if err != nil {
				return err
			}
			_, err = c.Publish(ctx, answer) // an error: RocketMQ delivers the request again
			return err
		})
	case "ask":
		return ask(ctx, c, m)
	}
	return fmt.Errorf("unknown command %q", verb)
}

func nameServers() []string {
	return strings.FieldsFunc(os.Getenv("NAMESRV_ADDR"), func(r rune) bool { return r == ',' || r == ';' })
}

func open(ctx context.Context) (*app.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return app.Open(ctx, app.Config{
		RocketMQ: rocketmq.Config{NameServers: nameServers(), TopicAutoCreate: true},
		Redis:    redisstore.Config{URL: os.Getenv("REDIS_URL"), Prefix: os.Getenv("REDIS_PREFIX")},
	})
}

// consume handles messages until ctx ends.
func consume(ctx context.Context, group string, filters []string, handle func(*message.Message) error) error {
	c, err := rocketclient.NewPushConsumer(
		consumer.WithNameServer(nameServers()), consumer.WithGroupName(group), consumer.WithInstance(rand.Text()),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	)
	if err != nil {
		return err
	}
	if err := app.Subscribe(c, filters, func(_ context.Context, m *message.Message) error { return handle(m) }); err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "ready")
	<-ctx.Done()
	return c.Shutdown()
}

// ask waits for the answer at a response topic whose first level is this application's.
func ask(ctx context.Context, c *app.Client, m *message.Message) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var replies app.Replies
	me := rand.Text()
	// The first message makes the RocketMQ topic: a consumer looks for topics that do not exist every 30 s only.
	if _, err := c.Publish(ctx, &message.Message{Topic: "mqttapp-answers/" + me, QoS: 1}); err != nil {
		return err
	}
	over := make(chan error, 1)
	go func() {
		over <- consume(ctx, "mqttapp-answers-"+me, []string{"mqttapp-answers/" + me}, func(m *message.Message) error {
			replies.Take(m)
			return nil
		})
	}()
	answer, err := replies.Request(ctx, c, m, "mqttapp-answers/"+me)
	if err == nil {
		fmt.Printf("%s\n", answer.Payload)
	}
	cancel()
	return errors.Join(err, <-over)
}
