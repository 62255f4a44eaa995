package deliver

import (
	"slices"
	"time"

	"lmqgate/meta/registry"
	"lmqgate/meta/topic"
)

const (
	// popWait is for how long a broker holds a POP: it can lose a wake-up.
	popWait = 2 * time.Second
	// popDeep is how many messages each member is asked for while there are many.
	popDeep = 8
	// maxLanes bounds the POPs of one popper in flight.
	maxLanes = 4
	// maxAcking bounds acknowledgements under way of messages that count in nobody's window.
	maxAcking = 256
)

// popper asks one broker for messages of a share. As a POP that waits at the broker gets one message at a time, and the
// brokers serve those who wait in turn, it has several POPs in flight if there are several members with room.
type popper struct {
	share  *share
	broker string

	// Protected by share.mu.
	lanes int   // POPs in flight, or about to be: goroutines of run
	asked int   // messages that those in flight ask for
	rest  int64 // messages that the broker had beside those it gave us last
}

// order is one POP to be made.
type order struct {
	group string
	life  registry.Life
	n     int
}

// popAnswer is the outcome of a POP.
type popAnswer struct {
	got  []Popped
	rest int64
	err  error
}

// run pops one after the other: the first lane until the share ends, others while there is enough to ask for.
func (p *popper) run(first bool) {
	for fails := 0; ; {
		o, ok := p.next(first)
		if !ok {
			return
		}
		a := p.pop(o)
		p.share.hub.shaky.note(p.broker, p.share.hub.log.Boot(p.broker), a.err)
		p.answered(o, a)
		var again []*claim
		for _, m := range a.got {
			if c := p.hand(o.life, m); c != nil {
				again = append(again, c)
			}
		}
		p.handAgain(again)
		if fails++; a.err == nil {
			fails = 0
		} else if p.share.ctx.Err() == nil {
			if fails == 1 {
				p.share.hub.cfg.Logger.Warn("popping messages failed, trying again", "filter", p.share.name, "broker", p.broker, "error", a.err)
			}
			p.share.pause(backoff(fails))
		}
	}
}

// next says what to ask for. The first lane waits until members here have room. ok is false at the lane's end.
func (p *popper) next(first bool) (o order, ok bool) {
	sh := p.share
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for !sh.closed && sh.hub.ctx.Err() == nil {
		n, one := sh.wanted(p)
		if n > one && p.lanes < maxLanes {
			p.lanes++
			sh.hub.spawn(func() { p.run(false) })
		}
		if n > 0 {
			n = min(n, one)
			p.asked += n
			return order{sh.group, sh.life, n}, true
		}
		if !first {
			break
		}
		sh.room.Wait()
	}
	p.lanes--
	return o, false
}

// wanted says how many messages to ask for beside those that are asked for, and with how many in one POP: as many as there
// are members with room, and a multiple of that while there are many. So each member gets about the same, wherever it is
// connected. Called under sh.mu.
func (sh *share) wanted(p *popper) (n, one int) {
	if len(sh.pending) > 0 || sh.acking >= maxAcking {
		return 0, 0
	}
	each := int(min(max(p.rest/popDeep, 1), popDeep))
	for e := sh.line.Front(); e != nil && n-p.asked < maxLanes*maxPop; e = e.Next() {
		n += min(e.Value.(*member).free, each)
	}
	one = (min(sh.line.Len(), maxPop*maxLanes) + maxLanes - 1) / maxLanes * each
	return n - p.asked, min(one, maxPop)
}

// answered takes note of the answer to a POP.
func (p *popper) answered(o order, a popAnswer) {
	p.share.hub.metrics.shared.popped.Add(float64(len(a.got)))
	p.share.mu.Lock()
	defer p.share.mu.Unlock()
	p.asked -= o.n
	if a.err == nil {
		p.rest = a.rest
	}
}

// pop makes one POP.
func (p *popper) pop(o order) popAnswer {
	sh := p.share
	done := make(chan popAnswer, 1)
	cancel := sh.hub.cfg.Shared.Pops.Pop(PopRequest{
		Ref: Ref{p.broker, sh.lmq}, Group: o.group, Max: o.n, Invisible: sh.hub.cfg.Shared.Invisible, Wait: popWait,
	}, func(got []Popped, rest int64, err error) { done <- popAnswer{got, rest, err} })
	select {
	case a := <-done:
		return a
	case <-sh.ctx.Done():
		cancel()
		return <-done
	}
}

// hand gives a popped message to a member, or settles it if it is for none. It returns one that may be a member's already.
func (p *popper) hand(life registry.Life, m Popped) *claim {
	sh := p.share
	c := sh.hub.claim(p.broker, m)
	switch {
	case !sh.belongs(life, p.broker, m.Entry):
		sh.settle(c)
	case m.Entry.Message.QoS == 2 && m.Entry.Key != "" && (m.Again || sh.hub.shaky.doubts(p.broker, m.Entry.StoreMillis)):
		return c
	default:
		sh.place(c)
	}
	return nil
}

// belongs reports whether a message is one for the group. An LMQ name is a coarse address, so the filter is checked again.
// Where no position was committed when the group began, the broker hands out what is older.
func (sh *share) belongs(life registry.Life, broker string, e *Entry) bool {
	m := e.Message
	switch {
	case m == nil || sh.foreign() || !topic.Match(sh.filter, m.Topic):
		return false
	case e.StoreMillis < life.Since-clockSkew && !slices.Contains(life.Brokers, broker):
		return false
	case m.Properties.HasExpiry && m.Expired(sh.hub.cfg.Now()): // [MQTT-3.3.2-5]
		sh.hub.dropped(sh.hub.metrics.tooOld, "", "expired", m.Topic, 1)
		return false
	}
	return true
}

// settle acknowledges a message that counts in nobody's window.
func (sh *share) settle(c *claim) {
	sh.mu.Lock()
	sh.acking++
	sh.mu.Unlock()
	c.ack(func(error) {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		if sh.acking--; sh.acking == maxAcking-1 {
			sh.room.Broadcast()
		}
	})
}

// place hands a message to the next member that takes it. One that is larger than the members with room accept is
// discarded, though one without room might have taken it: section 3.1.2.11.4 leaves that to the server [MQTT-3.1.2-25].
func (sh *share) place(c *claim) {
	var unfit []*member
	defer func() {
		for _, m := range unfit {
			m.session.Wake() // back into the line
		}
	}()
	for {
		m := sh.next()
		if m == nil {
			if len(unfit) > 0 {
				sh.settle(c)
				return
			}
			parked, closed := sh.park(c)
			if closed {
				c.giveBack(nil)
			}
			if parked || closed {
				return
			}
			continue
		}
		switch m.session.offer(m, c) {
		case offerTaken:
			return
		case offerUnfit:
			unfit = append(unfit, m)
		}
	}
}
