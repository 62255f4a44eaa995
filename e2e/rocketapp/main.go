// Command rocketapp is a RocketMQ application, as tests need one beside the gateway:
//
//	rocketapp consume NAMESRV TOPIC GROUP TAGS   prints what a push consumer gets, a JSON line a message
//	rocketapp produce NAMESRV                    sends the JSON lines of standard input, prints "ok" behind each
//
// It is a process of its own because rocketmq-client-go's consumers race with themselves, which the race detector would
// report in a test.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

// message is one line.
type message struct {
	Topic      string            `json:"topic"`
	Tag        string            `json:"tag,omitempty"`
	Body       []byte            `json:"body"`
	Properties map[string]string `json:"properties"`
}

func main() {
	rlog.SetLogger(silent{})
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rocketapp:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 5 && args[0] == "consume":
		return consume(args[1], args[2], args[3], args[4])
	case len(args) == 2 && args[0] == "produce":
		return produce(args[1])
	}
	return fmt.Errorf("wrong arguments %q", args)
}

func consume(namesrv, topic, group, tags string) error {
	c, err := rocketmq.NewPushConsumer(
		consumer.WithNameServer([]string{namesrv}), consumer.WithGroupName(group),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset),
	)
	if err != nil {
		return err
	}
	var mu sync.Mutex // one line at a time
	out := json.NewEncoder(os.Stdout)
	err = c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: tags},
		func(_ context.Context, list ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			mu.Lock()
			defer mu.Unlock()
			for _, m := range list {
				if err := out.Encode(message{m.Topic, m.GetTags(), m.Body, m.GetProperties()}); err != nil {
					return consumer.ConsumeRetryLater, err
				}
			}
			return consumer.ConsumeSuccess, nil
		})
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
	return c.Shutdown()
}

func produce(namesrv string) error {
	p, err := rocketmq.NewProducer(producer.WithNameServer([]string{namesrv}), producer.WithGroupName("rocketapp"), producer.WithRetry(0))
	if err != nil {
		return err
	}
	if err := p.Start(); err != nil {
		return err
	}
	defer func() { _ = p.Shutdown() }()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var in message
		if err := json.Unmarshal(lines.Bytes(), &in); err != nil {
			return err
		}
		m := primitive.NewMessage(in.Topic, in.Body)
		if in.Tag != "" {
			m.WithTag(in.Tag)
		}
		for k, v := range in.Properties {
			m.WithProperty(k, v)
		}
		r, err := send(p, m)
		if err != nil {
			return err
		}
		if r.Status != primitive.SendOK {
			return fmt.Errorf("send: status %d", r.Status)
		}
		fmt.Println("ok")
	}
	return lines.Err()
}

// send repeats what a busy broker refused; that is not stored.
func send(p rocketmq.Producer, m *primitive.Message) (*primitive.SendResult, error) {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		r, err := p.SendSync(context.Background(), m)
		if err == nil || !strings.HasPrefix(err.Error(), "CODE: 2,") || time.Now().After(deadline) {
			return r, err
		}
	}
}

// silent keeps the library from writing log files.
type silent struct{}

func (silent) Debug(string, map[string]any)   {}
func (silent) Info(string, map[string]any)    {}
func (silent) Warning(string, map[string]any) {}
func (silent) Error(string, map[string]any)   {}
func (silent) Fatal(string, map[string]any)   {}
func (silent) Level(string)                   {}
func (silent) OutputPath(string) error        { return nil }
