package deliver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"lmqgate/meta/registry"
)

const (
	// beginLease is how long the beginning of a group may take before another member takes over.
	beginLease = 5 * time.Second
	// beginAgain is about how often a member asks whether the group has been begun by another one.
	beginAgain = 10 * time.Millisecond
	// renewEvery is about how often a share makes sure that its group is still the one it knows.
	renewEvery = time.Minute
	// endSlack is how much later than their invisible time brokers bring messages back, at most.
	endSlack = 10 * time.Second
	// endTime bounds the deletion of an ended group, endClose that of one while the hub closes.
	endTime, endClose = 10 * time.Second, time.Second
	// maxEndings bounds the groups whose end waits for their last messages to have come back.
	maxEndings = 1024
)

// run finds the life of the group, starts the poppers, and then looks after it until the share ends.
func (sh *share) run() {
	if !sh.begin() {
		return
	}
	for sh.sleep(renewEvery) {
		if err := sh.renew(); err != nil && sh.ctx.Err() == nil {
			sh.hub.cfg.Logger.Warn("renewing a shared subscription group failed, again in a while", "filter", sh.name, "error", err)
		}
	}
}

// sleep waits about d, less when the share is to look again, and reports whether it goes on.
func (sh *share) sleep(d time.Duration) bool {
	t := time.NewTimer(d*3/4 + rand.N(d/2))
	defer t.Stop()
	select {
	case <-t.C:
	case <-sh.again:
	case <-sh.ctx.Done():
	}
	return sh.ctx.Err() == nil
}

// pause waits about d, less when the share ends.
func (sh *share) pause(d time.Duration) {
	t := time.NewTimer(d/2 + rand.N(d))
	defer t.Stop()
	select {
	case <-t.C:
	case <-sh.ctx.Done():
	}
}

// begin gets the group's life; false if there is none to be had.
func (sh *share) begin() bool {
	for fails := 0; sh.ctx.Err() == nil; {
		l, wait, err := sh.joined()
		switch {
		case err == nil && !wait:
			sh.live(l)
			close(sh.begun)
			return true
		case errors.Is(err, registry.ErrTooManyGroups):
			sh.mu.Lock()
			sh.failed = err
			sh.mu.Unlock()
			close(sh.begun)
			return false
		case err == nil:
			sh.pause(beginAgain)
		default:
			if fails++; fails == 1 {
				sh.hub.cfg.Logger.Warn("joining a shared subscription group failed, trying again", "filter", sh.name, "error", err)
			}
			sh.pause(backoff(fails))
		}
	}
	return false
}

// joined asks for the life and begins it if that is up to us; wait says that somebody else is doing so.
func (sh *share) joined() (l registry.Life, wait bool, err error) {
	ctx, cancel := context.WithTimeout(sh.ctx, beginLease)
	defer cancel()
	groups := sh.hub.cfg.Shared.Groups
	l, stage, err := groups.Join(ctx, sh.name, beginLease, sh.hub.cfg.Shared.PerFilter)
	if err != nil || stage == registry.StageBegun {
		return l, false, err
	}
	if stage == registry.StageWait {
		return l, true, nil
	}
	l.Brokers = sh.commit(ctx, l)
	for {
		ok, err := groups.Begun(ctx, sh.name, l)
		if err == nil || ctx.Err() != nil {
			return l, !ok, err
		}
		sh.pause(beginAgain) // the answer may have got lost; it is ours until the lease is over
	}
}

// commit has the new group begin at the end of the LMQ on every broker, and returns those where it does. One that is away
// hands out old messages too when it is back, which then go by their store time. One that appears later has none. A commit
// whose answer came too late does no harm: the position it sets was the end before SUBACK.
func (sh *share) commit(ctx context.Context, l registry.Life) []string {
	group, brokers := sh.groupName(l), sh.hub.log.Brokers()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	errs := make([]error, len(brokers))
	var all sync.WaitGroup
	for i, b := range brokers {
		all.Go(func() { errs[i] = sh.hub.cfg.Shared.Pops.BeginGroup(ctx, group, Ref{b, sh.lmq}) })
	}
	all.Wait()
	var begun []string
	for i, b := range brokers {
		if errs[i] == nil {
			begun = append(begun, b)
			continue
		}
		sh.hub.cfg.Logger.Warn("beginning a shared subscription group at a broker failed, going by store time", "filter", sh.name, "broker", b, "error", errs[i])
	}
	return begun
}

// groupName is the RocketMQ consumer group of a life: another for each.
func (sh *share) groupName(l registry.Life) string {
	return sh.hub.cfg.Shared.Pops.GroupName("share", sh.name, l.Token)
}

// live takes part in a life of the group.
func (sh *share) live(l registry.Life) {
	sh.mu.Lock()
	sh.life, sh.group = l, sh.groupName(l)
	sh.mu.Unlock()
	sh.open(sh.hub.log.Brokers()) // after the group is known to BrokersAdded
}

// renew makes sure that the group has the life that we know. A failover may have lost it, and another instance may have
// begun a new one since: then what was published in between is lost to the group.
func (sh *share) renew() error {
	ctx, cancel := context.WithTimeout(sh.ctx, sh.hub.cfg.Subscribe)
	defer cancel()
	sh.mu.Lock()
	known := sh.life
	sh.mu.Unlock()
	l, err := sh.hub.cfg.Shared.Groups.Renew(ctx, sh.name, known)
	if errors.Is(err, registry.ErrNoGroup) {
		return nil // the last member is leaving, or its holding is to be asserted again
	}
	if err != nil {
		return fmt.Errorf("renew life: %w", err)
	}
	if l.Token != known.Token {
		sh.hub.metrics.shared.replaced.Inc()
		sh.hub.cfg.Logger.Warn("a shared subscription group was begun anew after the registry had lost it", "filter", sh.name)
		sh.live(l)
	}
	return nil
}

// Reasserted is to be called when holdings were asserted again after the registry was rolled back: groups' lives are too.
func (h *Hub) Reasserted() {
	for _, sh := range h.allShares() {
		select {
		case sh.again <- struct{}{}:
		default:
		}
	}
}

// GroupEnded is to be called with each life that registry.Groups says has ended. What brokers keep of it is deleted when
// the messages that are out have come back. It is tried once; what then stays is an empty retry topic on a broker, and the
// group's offset.
func (h *Hub) GroupEnded(filter string, l registry.Life) {
	if h.cfg.Shared.Pops == nil {
		return
	}
	if h.endings.Add(1) > maxEndings {
		h.endings.Add(-1)
		h.cfg.Logger.Warn("too many shared subscription groups end at once, leaving retry topics behind", "filter", filter)
		return
	}
	h.spawn(func() {
		defer h.endings.Add(-1)
		h.endGroup(filter, l)
	})
}

// endGroup deletes an ended group everywhere, sooner if the hub closes.
func (h *Hub) endGroup(filter string, l registry.Life) {
	t := time.NewTimer(h.cfg.Shared.Invisible + endSlack)
	defer t.Stop()
	within := endTime
	select {
	case <-t.C:
	case <-h.ctx.Done():
		within = endClose
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.ctx), within)
	defer cancel()
	group := h.cfg.Shared.Pops.GroupName("share", filter, l.Token)
	var all sync.WaitGroup
	for _, b := range h.log.Brokers() {
		all.Go(func() {
			if err := h.cfg.Shared.Pops.EndGroup(ctx, group, Ref{b, lmqOf(filter)}); err != nil {
				h.cfg.Logger.Info("deleting an ended shared subscription group failed", "filter", filter, "broker", b, "error", err)
			}
		})
	}
	all.Wait()
}
