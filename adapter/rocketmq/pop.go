package rocketmq

import "time"

// MaxPop is the most messages one POP asks for; brokers refuse more.
const MaxPop = 32

// PopRequest asks for messages of one LMQ on one broker for a consumer group.
type PopRequest struct {
	LMQ LMQ
	// Group begins with `%LMQ%`, so that no configuration of it is needed:
	// see GroupName.
	Group string
	// Max is how many messages are wanted at most; 0 or above MaxPop: MaxPop.
	Max int
	// Invisible is how long nobody else gets the messages handed out, unless
	// they are acknowledged (AckPopped), returned or renewed (ReturnPopped).
	Invisible time.Duration
	// Wait is how long the broker may hold the request while there is nothing.
	// It can lose a wake-up: 1 s to 2 s are about right. 0 answers at once.
	Wait time.Duration
}

// Popped is one message handed out by POP; it comes back to the group unless
// it is acknowledged within its invisible time.
type Popped struct {
	// PulledMessage is the message as Pull returns it; one that came back has
	// the LMQ's name as its topic, is counted in Reconsume, and keeps the
	// LMQOffset of the original.
	*PulledMessage
	Handle Handle
}

// pop is a Pop that is not done, or is about to be.
type pop struct {
	q    *popQueue
	max  int
	wait time.Duration
	done func([]Popped, int64, error)

	messages []Popped // what done gets
	rest     int64
	err      error
}

// Pop asks for messages of a group. done is called exactly once, on one of the
// few goroutines that call sinks, with no lock held, and before Pop returns only
// after Close: it must not block for long, and may Pop again at once. It gets messages, or
// none after about r.Wait, or an error: ErrNoBroker (no connection within
// r.Wait), ErrBusy (too many POPs here or at the broker), ErrGroupName (see CheckGroup),
// ErrStopped, or what the broker said. A lost connection, a broker that is away or refuses is
// waited for here, with a backoff and through the token bucket of all pulls, so
// the caller needs no pause of its own but after ErrBusy and ErrGroupName. restNum is how many more messages the
// broker has for the group, as far as it knows.
//
// cancel ends the wait: done gets context.Canceled, unless it was called or is
// about to be. What the broker hands out to a cancelled POP goes to another
// waiting Pop with the same LMQ, group and invisible time, or is returned at
// once. Several such Pops are served in their order.
//
// At most Config.MaxPops are held at brokers; more wait for a place, and beyond
// eight times as many end with ErrBusy.
func (c *Client) Pop(r PopRequest, done func(messages []Popped, restNum int64, err error)) (cancel func()) {
	if r.Max <= 0 || r.Max > MaxPop {
		r.Max = MaxPop
	}
	p := &pop{max: r.Max, wait: max(r.Wait, 0), done: done}
	c.poppers.add(popKey{r.LMQ, r.Group, r.Invisible}, p)
	return func() { c.poppers.cancel(p) }
}

// deliver calls done.
func (p *pop) deliver() { p.done(p.messages, p.rest, p.err) }

// stopped calls done after the client was closed: messages that were just
// handed out can be neither acknowledged nor returned any more.
func (p *pop) stopped() { p.done(nil, 0, ErrStopped) }
