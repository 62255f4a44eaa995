package app

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"

	"lmqgate/meta/message"
)

// ErrNoResponseTopic says that a message asks for no answer.
var ErrNoResponseTopic = errors.New("message has no response topic")

// Reply makes the answer to a request (MQTT 5.0 section 4.10): to its response topic, with its correlation data and QoS.
func Reply(request *message.Message, payload []byte) (*message.Message, error) {
	p := request.Properties
	if p.ResponseTopic == "" {
		return nil, ErrNoResponseTopic
	}
	return &message.Message{
		Topic: p.ResponseTopic, Payload: payload, QoS: request.QoS, Properties: message.Properties{CorrelationData: p.CorrelationData},
	}, nil
}

// Replies brings the answers to an application's requests together with those who wait for them. The application consumes its
// response topic (Subscribe) and hands what comes to Take. Each process needs a response topic of its own whose first level
// has a consumer group of its own, otherwise another member of the group may get the answer. The zero value is ready; it is
// safe for concurrent use.
type Replies struct {
	mu      sync.Mutex // protects waiting
	waiting map[string]chan *message.Message
}

// Request publishes a request and returns its first answer, or ctx's error. The request is changed to ask for an answer at
// responseTopic, with correlation data of its own.
func (r *Replies) Request(ctx context.Context, p message.Publisher, request *message.Message, responseTopic string) (*message.Message, error) {
	id := rand.Text()
	answer := make(chan *message.Message, 1)
	r.mu.Lock()
	if r.waiting == nil {
		r.waiting = make(map[string]chan *message.Message)
	}
	r.waiting[id] = answer
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.waiting, id)
	}()
	request.Properties.ResponseTopic, request.Properties.CorrelationData = responseTopic, []byte(id)
	if _, err := p.Publish(ctx, request); err != nil {
		return nil, err
	}
	select {
	case m := <-answer:
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Take hands an answer to who waits for it, and reports whether somebody does: not if it came before, or too late.
func (r *Replies) Take(m *message.Message) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := string(m.Properties.CorrelationData)
	answer, ok := r.waiting[id]
	if ok {
		delete(r.waiting, id)
		answer <- m
	}
	return ok
}
