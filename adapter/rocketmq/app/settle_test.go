package app_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"lmqgate/adapter/rocketmq/app"
	"lmqgate/infra/minimq"
	"lmqgate/meta/message"
	"lmqgate/meta/redisstore"
	"lmqgate/meta/topic"
)

// unanswered opens a client that waits for answers a short time only, without Redis.
func unanswered(t *testing.T, reg *prometheus.Registry) *world {
	return open(t, func(c *app.Config) {
		c.Redis, c.RocketMQ.SendTimeout, c.RocketMQ.Registerer = redisstore.Config{}, 100*time.Millisecond, reg
	})
}

// TestPublishSettles: a send without an answer is looked up, and sent again only if it was not stored.
func TestPublishSettles(t *testing.T) {
	for name, fault := range map[string]func(*minimq.Faults){
		"lost send":   func(f *minimq.Faults) { f.LoseSends(1) },
		"lost answer": func(f *minimq.Faults) { f.LoseAnswers(1) },
		"lost link":   func(f *minimq.Faults) { f.CutAfterSends(1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := unanswered(t, prometheus.NewRegistry())
			w.publish(message.Message{Topic: "room/1", Payload: []byte("before")})
			fault(w.mq.Faults())
			if r := w.publish(message.Message{Topic: "room/1", Payload: []byte("x"), QoS: 1}); r.Queues != 1 {
				t.Errorf("%+v", r)
			}
			w.publish(message.Message{Topic: "room/1", Payload: []byte("after")})
			if diff := cmp.Diff([]string{"before", "x", "after"}, w.stored(topic.LMQ("room/1"), 3)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// TestPublishUnknown: when the caller does not wait for the look-up, the error says that the outcome is unknown, and has what
// it takes to publish again; one of which nothing was sent says no such thing.
func TestPublishUnknown(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	w := unanswered(t, reg)
	w.publish(message.Message{Topic: "room/1", Payload: []byte("before")})
	w.mq.Faults().LoseSends(minimq.Forever)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	before := sendErrors(t, reg)
	go func() {
		for ctx.Err() == nil && sendErrors(t, reg) == before {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	r, err := w.Publish(ctx, &message.Message{Topic: "room/1", Payload: []byte("x"), QoS: 1})
	var unknown *app.UnknownError
	if !errors.As(err, &unknown) || !errors.Is(err, message.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Fatalf("not unknown: %v", err)
	}
	if unknown.Key != r.Key || len(r.Key) != 32 || unknown.Topic != "room" || unknown.Broker == "" || unknown.Stored != 0 {
		t.Errorf("%+v of %+v", unknown, r)
	}
	if _, err := w.Publish(ctx, &message.Message{Topic: "room/1"}); errors.As(err, new(*app.UnknownError)) || !errors.Is(err, message.ErrUnavailable) {
		t.Errorf("of a caller who had gone: %v", err)
	}
	w.mq.Faults().LoseSends(0)
	if again := w.publish(message.Message{Topic: "room/1", Payload: []byte("x"), QoS: 1, Key: unknown.Key}); again.Key != r.Key {
		t.Errorf("again: %+v", again)
	}
	if diff := cmp.Diff([]string{"before", "x"}, w.stored(topic.LMQ("room/1"), 2)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// sendErrors counts the sends that did not succeed.
func sendErrors(t *testing.T, reg *prometheus.Registry) (n float64) {
	families, err := reg.Gather()
	if err != nil {
		t.Error(err)
	}
	for _, f := range families {
		if f.GetName() == "lmqgate_rocketmq_send_errors_total" {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}
