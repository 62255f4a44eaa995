package publish

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"lmqgate/functions/web"
	"lmqgate/meta/access"
	"lmqgate/meta/idem"
	"lmqgate/meta/message"
	"lmqgate/meta/topic"
)

// outcome is what became of a publication.
type outcome struct {
	message.Result
	err error
}

// publish checks and publishes one message, once if there is a key. Errors are *web.Problem, or of the inside.
func (h *Handler) publish(ctx context.Context, caller *web.Caller, lane message.Lane, m *message.Message, key *key) (*Result, error) {
	if err := h.may(caller, m); err != nil {
		return nil, err
	}
	if h.cfg.Pace != nil {
		if wait := h.cfg.Pace(caller, len(m.Payload)); wait > 0 {
			return nil, web.Later(http.StatusTooManyRequests, int(wait/time.Second)+1, "publishing too much at once").Of(ProblemBusy)
		}
	}
	name := m.Topic
	if err := place(caller, m); err != nil {
		return nil, err
	}
	var res *Result
	var err error
	if key == nil {
		res, err = h.answer(m, h.send(ctx, lane, &message.Publication{Message: m}))
	} else {
		res, err = h.once(ctx, lane, m, key)
	}
	if res != nil {
		res.Topic = name
	}
	return res, err
}

// place puts a message into its publisher's topic space.
func place(caller *web.Caller, m *message.Message) error {
	if err := m.Mount(caller.Space); err != nil {
		return web.Refuse(http.StatusBadRequest, "the topic is too long beside the name of the tenant").Of(ProblemTopic)
	}
	if caller.ClientID != "" {
		m.Publisher, _ = caller.Space.MountID(caller.ClientID)
	}
	return nil
}

// may reports what stands against a message.
func (h *Handler) may(caller *web.Caller, m *message.Message) error {
	first, _, _ := strings.Cut(m.Topic, "/")
	switch {
	case topic.ValidName(m.Topic) != nil:
		return web.Refuse(http.StatusBadRequest, "the topic is no topic name: it must not be empty, nor have wildcards, NUL or malformed UTF-8").Of(ProblemTopic)
	case len(m.Payload) > h.cfg.MaxPayload:
		return web.Refuse(http.StatusRequestEntityTooLarge, "the payload has more than %d bytes", h.cfg.MaxPayload).Of(ProblemTooLarge)
	case first == access.StatusLevel, first == access.PresenceLevel:
		return web.Refuse(http.StatusForbidden, "topics under %s and %s are the gateway's own", access.StatusLevel, access.PresenceLevel).Of(ProblemNotAllowed)
	case caller.Space.Mounts() && m.Topic[0] == '$':
		return web.Refuse(http.StatusForbidden, "topics that begin with $ are the gateway's own").Of(ProblemNotAllowed)
	case !caller.May(access.Publish, m.Topic):
		return web.Refuse(http.StatusForbidden, "not allowed to publish to this topic").Of(ProblemNotAllowed)
	case m.Retain && !caller.May(access.Retain, m.Topic):
		return web.Refuse(http.StatusForbidden, "not allowed to publish retained messages to this topic").Of(ProblemNotAllowed)
	}
	return nil
}

// send publishes and waits for the outcome, or for the end of ctx; then the publication goes on.
func (h *Handler) send(ctx context.Context, lane message.Lane, p *message.Publication) outcome {
	done := make(chan outcome, 1)
	p.Done = func(r message.Result, err error) { done <- outcome{r, err} }
	lane.Publish(p)
	select {
	case o := <-done:
		return o
	case <-ctx.Done():
		return outcome{err: message.ErrUnavailable}
	}
}

// answer is what the caller is told.
func (h *Handler) answer(m *message.Message, o outcome) (*Result, error) {
	switch err := o.err; {
	case err == nil:
		return &Result{MessageID: o.Key, Topic: m.Topic, Queues: o.Queues}, nil
	case errors.Is(err, message.ErrNotRetained):
		return nil, web.Refuse(http.StatusInsufficientStorage, "the message was sent to its subscribers, and is not kept: no more retained messages are taken, or the store is away").Of(ProblemUnkept)
	case errors.Is(err, message.ErrRefused):
		return nil, web.Refuse(http.StatusUnprocessableEntity, "RocketMQ does not take this message: it or its properties are too large, or its topic cannot be made").Of(ProblemRefused)
	case errors.Is(err, message.ErrBusy):
		return nil, web.Later(http.StatusTooManyRequests, 1, "too many messages are on their way, nothing was sent: try again").Of(ProblemBusy)
	case errors.Is(err, message.ErrUnavailable), errors.Is(err, message.ErrAbandoned):
		return nil, web.Later(http.StatusServiceUnavailable, 2, "the message may or may not have been stored: try again, with an Idempotency-Key it is stored once").Of(ProblemUnknown)
	default:
		return nil, err
	}
}

// once carries a request out once, however often it is made.
func (h *Handler) once(ctx context.Context, lane message.Lane, m *message.Message, k *key) (*Result, error) {
	a, err := h.cfg.Requests.Begin(ctx, k.name, k.hash(m), h.cfg.Wait+leaseMore, h.cfg.Keep)
	if err != nil {
		h.cfg.Logger.Warn("idempotency keys cannot be kept", "error", err)
		return nil, web.Later(http.StatusServiceUnavailable, 2, "the Idempotency-Key could not be kept, nothing was sent: try again").Of(ProblemNotSent)
	}
	switch a.State {
	case idem.Finished:
		h.repeated.Inc()
		return decodeResult(a.Result)
	case idem.UnderWay:
		return nil, web.Later(http.StatusConflict, 1, "a request with this Idempotency-Key is under way").Of(ProblemUnderWay)
	case idem.Another:
		return nil, web.Refuse(http.StatusUnprocessableEntity, "the Idempotency-Key was used for a request with other content").Of(ProblemKeyReused)
	}
	type answered struct {
		r   *Result
		err error
	}
	out := make(chan answered, 1)
	p := h.publication(m, k, a)
	p.Done = func(r message.Result, err error) {
		go func() { // it must not block
			res, err := h.settle(m, k, a, outcome{r, err})
			out <- answered{res, err}
		}()
	}
	lane.Publish(p)
	select {
	case o := <-out:
		return o.r, o.err
	case <-ctx.Done(): // the outcome is noted when it is there
		return h.answer(m, outcome{err: message.ErrUnavailable})
	}
}

// leaseMore is for how much longer than Config.Wait a request is its instance's. Until that is over a repetition waits for an
// instance that was killed.
const leaseMore = 5 * time.Second

// noteTime bounds the noting of an outcome.
const noteTime = 3 * time.Second

// settle notes an outcome, whatever became of the caller, and makes the answer of it.
func (h *Handler) settle(m *message.Message, k *key, a idem.Answer, o outcome) (*Result, error) {
	after, cancel := context.WithTimeout(context.Background(), noteTime)
	defer cancel()
	res, err := h.answer(m, o)
	switch {
	case err == nil, errors.Is(o.err, message.ErrNotRetained):
		if e := h.cfg.Requests.Finish(after, k.name, a.Token, encodeResult(res, err)); e != nil {
			h.cfg.Logger.Warn("an outcome could not be kept; a repetition looks for the message", "error", e)
		}
	default:
		_ = h.cfg.Requests.Leave(after, k.name, a.Token, !errors.Is(o.err, message.ErrUnavailable)) // else its lease ends
	}
	return res, err
}

// publication notes what is about to be sent before it is, and repeats what an earlier try may have sent.
func (h *Handler) publication(m *message.Message, k *key, a idem.Answer) *message.Publication {
	p := &message.Publication{Message: m}
	if a.Attempt != nil {
		h.repeated.Inc()
		m.Key = a.Attempt.Key
		p.Place, p.Repeat, p.Since = &a.Attempt.Place, true, a.Attempt.At
		return p
	}
	p.Prepare = func(unique string, place message.Place, ready func(error)) {
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), h.cfg.Wait)
			defer cancel()
			err := h.cfg.Requests.Sending(ctx, k.name, a.Token, idem.Attempt{Key: unique, Place: place, At: h.cfg.Now()})
			if err != nil {
				err = errors.Join(message.ErrUnavailable, err)
			}
			ready(err)
		}()
	}
	return p
}
