package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
)

const pubSynopsis = `[flags] TOPIC [PAYLOAD|-]

Publishes one message and, with QoS 1 and 2, waits until the gateway has stored it. "-" reads the payload from standard
input; without a payload the message is empty (with --retain that removes the retained message of the topic).`

// maxPayload is what MQTT can carry at all: a remaining length of four bytes [MQTT-2.1.4].
const maxPayload = 268_435_455

// pub publishes one message.
func (s streams) pub(ctx context.Context, args []string) error {
	o := new(options)
	rest, err := o.parse(s, "pub", pubSynopsis, args, func(set *flag.FlagSet) {
		set.BoolVar(&o.retain, "retain", false, "have the server keep the message for later subscribers")
		set.DurationVar(&o.timeout, "timeout", 30*time.Second, "give up after this time")
	})
	if err != nil {
		return err
	}
	if len(rest) == 0 || len(rest) > 2 {
		fmt.Fprintln(s.err, "lmqgate pub: give a topic and at most one payload (in quotes, if it has spaces)")
		return errUsage
	}
	if o.timeout == 0 {
		fmt.Fprintln(s.err, "lmqgate pub: --timeout 0: give a duration such as 30s")
		return errUsage
	}
	payload, err := s.payload(rest[1:])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	return s.publish(ctx, o, &paho.Publish{Topic: rest[0], Payload: payload, QoS: byte(o.qos), Retain: o.retain})
}

// payload returns the argument, or standard input for "-".
func (s streams) payload(args []string) ([]byte, error) {
	switch {
	case len(args) == 0:
		return nil, nil
	case args[0] != "-":
		return []byte(args[0]), nil
	}
	payload, err := io.ReadAll(io.LimitReader(s.in, maxPayload+1))
	if err != nil {
		return nil, fmt.Errorf("read payload: %w", err)
	}
	if len(payload) > maxPayload {
		return nil, errors.New("read payload: too large for MQTT")
	}
	return payload, nil
}

func (s streams) publish(ctx context.Context, o *options, message *paho.Publish) error {
	session := state.NewInMemory()
	defer session.Close()
	l, err := connect(ctx, o, session, nil)
	if err != nil {
		return err
	}
	defer l.leave()
	answer, err := during(ctx, l, func(ctx context.Context) (*paho.PublishResponse, error) { return l.Publish(ctx, message) })
	if answer != nil && answer.ReasonCode >= 0x80 {
		r := &refusal{what: "message to " + message.Topic, code: answer.ReasonCode}
		if answer.Properties != nil {
			r.detail = answer.Properties.ReasonString
		}
		return r
	}
	if err != nil {
		return fmt.Errorf("publish to %s: %w", message.Topic, err)
	}
	if o.verbose {
		fmt.Fprintf(s.err, "lmqgate: published %d bytes to %s\n", len(message.Payload), message.Topic)
	}
	return nil
}
