package deliver

import (
	"context"
	"sync"
	"time"
)

const (
	// ownedTries and ownedTime bound the questions about messages that came again, and the notes of finished ones.
	ownedTries, ownedTime = 4, 3 * time.Second
	// finishedAtLeast is the least time for which finished messages are remembered that are known to come again;
	// finishedBriefly that for all others, which come again only if a broker that dies forgets what it handed out.
	finishedAtLeast, finishedBriefly = 10 * time.Minute, 2 * time.Minute
	// maxFinished is how many are noted at once.
	maxFinished = 256
)

// handAgain gives QoS 2 messages that came again, or may have, to members, but for those that a member has already: an instance that
// died between writing the entry and telling the broker leaves such. Without an answer they come again later.
func (p *popper) handAgain(again []*claim) {
	if len(again) == 0 {
		return
	}
	sh := p.share
	owned, err := sh.owned(again)
	if err != nil && sh.ctx.Err() == nil {
		sh.hub.cfg.Logger.Warn("asking for the owners of messages failed, they come again later", "filter", sh.name, "error", err)
	}
	for i, c := range again {
		switch {
		case err != nil && sh.ctx.Err() != nil:
			c.giveBack(nil)
		case err != nil:
			c.drop()
		case owned[i]:
			sh.hub.metrics.shared.owned.Inc()
			sh.settle(c)
		default:
			sh.place(c)
		}
	}
}

// owned asks which of the messages a member has.
func (sh *share) owned(again []*claim) (owned []bool, err error) {
	owners := sh.hub.cfg.Shared.Owners
	if owners == nil {
		return make([]bool, len(again)), nil
	}
	keys := make([]string, len(again))
	for i, c := range again {
		keys[i] = c.entry.Key
	}
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(sh.ctx, ownedTime)
		owned, err = owners.Owned(ctx, sh.name, keys)
		cancel()
		if err == nil || try == ownedTries || sh.ctx.Err() != nil {
			return owned, err
		}
		sh.pause(backoff(try))
	}
}

// finisher notes finished QoS 2 messages that may come to their groups again, and only then has their entries erased.
// Those of a session that closes meanwhile stay with it: the next connection finishes them.
type finisher struct {
	hub *Hub

	mu      sync.Mutex // protects the fields below; taken last
	list    []finish   // at most the restored messages of the sessions here
	running bool
}

// finish is one finished message.
type finish struct {
	session     *Session
	flight      *flight // nil: there is no entry
	filter, key string
	unsure      bool
}

// add takes a message over, with its entry if there is one. Called under s.mu.
func (n *finisher) add(s *Session, f *flight) {
	n.put(finish{s, f, f.Filter, f.Key, f.unsure})
}

func (n *finisher) put(d finish) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, d)
	if !n.running {
		n.running = true
		n.hub.spawn(n.run)
	}
}

// run goes on until the list is empty or the hub closes.
func (n *finisher) run() {
	for n.hub.ctx.Err() == nil {
		batch := n.take()
		if len(batch) == 0 {
			return
		}
		if !n.note(batch) {
			if n.hub.ctx.Err() != nil {
				return
			}
			n.hub.metrics.shared.unnoted.Add(float64(len(batch)))
		}
		for _, d := range batch {
			if d.flight != nil {
				d.session.finished(d.flight)
			}
		}
	}
}

// take takes the next messages, all of one filter and to be remembered for the same time.
func (n *finisher) take() (batch []finish) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var rest []finish
	for _, d := range n.list {
		if first := n.list[0]; len(batch) < maxFinished && d.filter == first.filter && d.unsure == first.unsure {
			batch = append(batch, d)
		} else {
			rest = append(rest, d)
		}
	}
	n.list, n.running = rest, len(batch) > 0
	return batch
}

// note writes them down.
func (n *finisher) note(batch []finish) bool {
	keys := make([]string, len(batch))
	for i, d := range batch {
		keys[i] = d.key
	}
	filter, keep := batch[0].filter, finishedBriefly
	if batch[0].unsure {
		keep = max(10*n.hub.cfg.Shared.Invisible, finishedAtLeast)
	}
	for try := 1; ; try++ {
		ctx, cancel := context.WithTimeout(n.hub.ctx, ownedTime)
		err := n.hub.cfg.Shared.Owners.Finished(ctx, filter, keys, keep)
		cancel()
		if err == nil {
			return true
		}
		if try == ownedTries || n.hub.ctx.Err() != nil {
			n.hub.cfg.Logger.Warn("noting finished messages failed", "filter", filter, "messages", len(keys), "error", err)
			return false
		}
		n.hub.pause(backoff(try))
	}
}

// finished erases the entry of a message that was noted, unless its packet id has another one by now.
func (s *Session) finished(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.out.flights[f.PacketID]; s.closed || other != nil && other.stored {
		return
	}
	s.erase(f)
}
