package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"lmqgate/functions/web"
	"lmqgate/meta/message"
)

// Batch is several messages. Those of one topic are sent in their order; behind one that the caller is to repeat (409, 429, 500,
// 503) no other one of its topic is sent.
type Batch struct {
	Messages []Message `json:"messages"`
}

// BatchResult has one Item a message, in the order of the batch.
type BatchResult struct {
	Results []Item `json:"results"`
	Failed  int    `json:"failed"`
}

// Item is the result of a message, or the problem with it.
type Item struct {
	*Result
	Problem *web.Problem `json:"problem,omitempty"`
}

// batch publishes many; the answer is 200 if all are published, else 207 with what became of each.
func (h *Handler) batch(ctx context.Context, w http.ResponseWriter, r *http.Request, caller *web.Caller) (int, any, error) {
	in, err := h.readBatch(w, r)
	if err != nil {
		return 0, nil, err
	}
	messages := make([]*message.Message, len(in.Messages))
	items := make([]Item, len(in.Messages))
	for i := range in.Messages {
		m, err := h.message(&in.Messages[i])
		if err != nil {
			items[i].Problem = problemOf(err)
			continue
		}
		messages[i] = m
	}
	if _, err := h.key(r, caller, ""); err != nil { // before anything is sent
		return 0, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Wait)
	defer cancel()
	h.publishAll(ctx, r, caller, messages, items)
	out := &BatchResult{Results: items}
	for _, it := range items {
		if it.Problem != nil {
			out.Failed++
		}
	}
	if out.Failed > 0 {
		return http.StatusMultiStatus, out, nil
	}
	return http.StatusOK, out, nil
}

// readBatch reads the messages one by one: a body of nothing but {},{},{} would take a hundred times its bytes, read at once.
func (h *Handler) readBatch(w http.ResponseWriter, r *http.Request) (in Batch, err error) {
	var outer struct {
		Messages json.RawMessage `json:"messages"`
	}
	if err := web.JSON(w, r, 4*h.jsonLimit(), &outer); err != nil {
		return in, err
	}
	d := json.NewDecoder(bytes.NewReader(outer.Messages))
	d.DisallowUnknownFields()
	wrong := web.Refuse(http.StatusBadRequest, "a batch has 1 to %d messages", h.cfg.MaxBatch)
	if begin, err := d.Token(); err != nil || begin != json.Delim('[') {
		return in, wrong
	}
	for d.More() {
		if len(in.Messages) == h.cfg.MaxBatch {
			return in, wrong
		}
		var m Message
		if err := d.Decode(&m); err != nil {
			return in, web.Refuse(http.StatusBadRequest, "message %d of the batch is not the JSON that is wanted: %v", len(in.Messages), err)
		}
		in.Messages = append(in.Messages, m)
	}
	if len(in.Messages) == 0 {
		return in, wrong
	}
	return in, nil
}

// publishAll publishes the messages that there are, side by side but for those of one topic.
func (h *Handler) publishAll(ctx context.Context, r *http.Request, caller *web.Caller, messages []*message.Message, items []Item) {
	lane := h.cfg.Lanes.NewLane()
	byTopic := make(map[string][]int)
	for i, m := range messages {
		if m != nil {
			byTopic[m.Topic] = append(byTopic[m.Topic], i)
		}
	}
	var (
		work  sync.WaitGroup
		laned sync.Mutex // a lane is for one caller at a time
	)
	shared := oneAtATime{lane, &laned}
	for _, list := range byTopic {
		work.Go(func() {
			for n, i := range list {
				k, _ := h.key(r, caller, "batch/"+strconv.Itoa(i))
				messages[i].TraceParent, messages[i].TraceState = web.TraceContext(r)
				res, err := h.publish(ctx, caller, shared, messages[i], k)
				items[i] = Item{Result: res, Problem: problemOf(err)}
				if again(items[i].Problem) {
					for _, later := range list[n+1:] {
						items[later].Problem = web.Later(http.StatusServiceUnavailable, 2, "not sent: an earlier message of its topic is to be repeated first").Of(ProblemNotSent)
					}
					return
				}
			}
		})
	}
	work.Wait()
}

// again reports whether the message of a problem is for the caller to repeat: what stands behind it on its topic has to wait.
func again(p *web.Problem) bool {
	return p != nil && (p.RetryAfter > 0 || p.Status == http.StatusInternalServerError)
}

// problemOf is the problem in an error, nil without one.
func problemOf(err error) *web.Problem {
	var p *web.Problem
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return p
	}
	return web.Refuse(http.StatusInternalServerError, "an error inside the gateway; its log says more")
}

// oneAtATime is a lane for several callers.
type oneAtATime struct {
	lane message.Lane
	mu   *sync.Mutex
}

func (l oneAtATime) Publish(p *message.Publication) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lane.Publish(p)
}
