package rocketmq_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/infra/minimq"
)

// TestTry sends a message through a broker that indexes, through one that does not, and to one without the topic.
func TestTry(t *testing.T) {
	s := minimq.Run(t)
	c, err := rocketmq.New(rocketmq.Config{NameServers: []string{s.Addr()}, DirectSend: true, TopicAutoCreate: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	began := time.Now().Add(-time.Second)
	trial, err := c.Try(t.Context(), "broker-a")
	if err != nil || trial.Acked <= 0 || trial.Read < trial.Acked || trial.Stored.Before(began) {
		t.Errorf("%+v, %v", trial, err)
	}
	s.Faults().StallIndex(true)
	if _, err := c.Try(t.Context(), "broker-a"); !errors.Is(err, rocketmq.ErrStalled) {
		t.Errorf("an index that stands still: %v", err)
	}
	s.Faults().StallIndex(false)
	if _, err := c.Try(t.Context(), "broker-a"); err != nil { // the one before comes out first
		t.Error(err)
	}
}

func TestTryWithoutTopic(t *testing.T) {
	s := minimq.Run(t)
	c, err := rocketmq.New(rocketmq.Config{NameServers: []string{s.Addr()}, DirectSend: true, CanaryTopic: "nowhere"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close(context.Background()) }()
	if _, err := c.Try(t.Context(), "broker-a"); !errors.Is(err, rocketmq.ErrNoTopic) {
		t.Error(err)
	}
}
