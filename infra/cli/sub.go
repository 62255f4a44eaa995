package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session/state"
)

const subSynopsis = `[flags] FILTER...

Prints every message as a line "topic payload". A payload with line breaks, control characters or bytes that are not
UTF-8 is quoted. The connection is made again when it is lost. Ctrl-C ends it in order.`

// sub subscribes and prints until ctx ends, --count messages were printed, or --timeout is over.
func (s streams) sub(ctx context.Context, args []string) error {
	o := new(options)
	filters, err := o.parse(s, "sub", subSynopsis, args, func(set *flag.FlagSet) {
		set.IntVar(&o.count, "count", 0, "end after this many messages (0: never)")
		set.DurationVar(&o.session, "session", 0, "have the server keep the session this long, and resume it (1h, 30m)")
		set.DurationVar(&o.timeout, "timeout", 0, "end after this time; an error if --count was not reached (0: never)")
	})
	if err != nil {
		return err
	}
	if len(filters) == 0 {
		fmt.Fprintln(s.err, "lmqgate sub: name at least one topic filter, such as 'chat/#' (in quotes)")
		return errUsage
	}
	sub := subscriber{streams: s, options: o, filters: filters, backoff: backoff}
	return sub.run(ctx)
}

// subscriber keeps a subscription alive over any number of links.
type subscriber struct {
	streams
	*options
	filters []string
	backoff func(attempt int) time.Duration // wait before the attempt after a lost link, counted from 0
}

// errTimeout is the end of --timeout.
var errTimeout = errors.New("timed out")

func (s *subscriber) run(ctx context.Context) error {
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.timeout, errTimeout)
		defer cancel()
	}
	session := newPrinter(state.NewInMemory(), s.out, s.count, s.verbose)
	defer session.Close()
	l, err := s.open(ctx, session)
	for err == nil {
		select {
		case <-session.done:
			l.leave()
			return session.err
		case <-ctx.Done():
			l.leave()
			return s.ending(ctx, session)
		case cause := <-l.gone:
			<-l.Done()
			if err = final(cause); err == nil {
				fmt.Fprintf(s.err, "lmqgate: connection lost (%v), connecting again\n", cause)
				l, err = s.reopen(ctx, session)
			}
		}
	}
	if ctx.Err() != nil {
		return s.ending(ctx, session)
	}
	return err
}

// ending is the result when ctx has ended: an interrupt is no error, nor is a time limit without --count.
func (s *subscriber) ending(ctx context.Context, p *printer) error {
	if errors.Is(context.Cause(ctx), errTimeout) && s.count > 0 {
		return fmt.Errorf("timed out after %v with %d of %d messages", s.timeout, p.printed.Load(), s.count)
	}
	return nil
}

// final returns the error with which trying again would do harm or go on for ever, else nil. Two clients with one
// client id would take the session from each other without end [MQTT-3.1.4-3].
func final(cause error) error {
	var r *refusal
	if errors.As(cause, &r) && r.code >= 0x80 && !r.passing() {
		return r
	}
	return nil
}

// open connects and subscribes. On a resumed session the server has the subscriptions still; they are sent again all the
// same, since the filters may be others now, but without another round of retained messages [MQTT-3.3.1-10].
func (s *subscriber) open(ctx context.Context, p *printer) (*link, error) {
	l, err := connect(ctx, s.options, p, p.received)
	if err != nil {
		return nil, err
	}
	request := new(paho.Subscribe)
	for _, filter := range s.filters {
		o := paho.SubscribeOptions{Topic: filter, QoS: byte(s.qos), RetainAsPublished: true}
		if s.session > 0 {
			o.RetainHandling = 1
		}
		request.Subscriptions = append(request.Subscriptions, o)
	}
	suback, err := during(ctx, l, func(ctx context.Context) (*paho.Suback, error) { return l.Subscribe(ctx, request) })
	if err = subscribed(s.filters, suback, err); err != nil {
		l.leave()
		return nil, err
	}
	if s.verbose {
		fmt.Fprintf(s.err, "lmqgate: connected to %s as %s, session present: %v, QoS granted: %v\n",
			s.url, s.clientID, l.connack.SessionPresent, suback.Reasons)
	}
	return l, nil
}

// subscribed returns the first refusal in a SUBACK, else err.
func subscribed(filters []string, suback *paho.Suback, err error) error {
	if suback == nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for i, code := range suback.Reasons {
		if code >= 0x80 && i < len(filters) {
			r := &refusal{what: "subscription to " + filters[i], code: code}
			if suback.Properties != nil {
				r.detail = suback.Properties.ReasonString
			}
			return r
		}
	}
	return err
}

// reopen tries until it succeeds, ctx ends, or the server refuses for good.
func (s *subscriber) reopen(ctx context.Context, p *printer) (*link, error) {
	for attempt := 0; ; attempt++ {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(s.backoff(attempt)):
		}
		l, err := s.open(ctx, p)
		if err == nil {
			fmt.Fprintln(s.err, "lmqgate: connected again")
			return l, nil
		}
		if stop := final(err); stop != nil {
			return nil, stop
		}
		if s.verbose {
			fmt.Fprintln(s.err, "lmqgate:", err)
		}
	}
}

// backoff doubles from a quarter of a second to 16 s, each time taken at random from the upper half: clients that lost
// the same gateway should not come back as one.
func backoff(attempt int) time.Duration {
	limit := 500 * time.Millisecond << min(attempt, 5)
	return limit/2 + rand.N(limit/2)
}
