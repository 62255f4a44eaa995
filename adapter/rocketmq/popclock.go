package rocketmq

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq/remoting"
)

// maxPopAhead bounds how much later than by our clock a POP is said to be made.
const maxPopAhead = 10 * time.Minute

// popClock knows what each broker is to be told of when a POP was made. Told 0 it takes its own clock, which is what we
// want; but with access control RocketMQ 5.3 believes the 0, finds that the time to wait is long over, and answers every POP at
// once with nothing. Such a broker is told our time, and a later one as long as it still finds that over: its clock is ahead
// of ours. If it is behind, POPs are held longer by that. Safe for concurrent use.
type popClock struct {
	mu    sync.Mutex // protects ahead
	ahead map[string]time.Duration
}

// popBorn is what a broker was told: the field's value, and what it was made from.
type popBorn struct {
	text  string
	ahead time.Duration
	own   bool // not 0
}

func (p *popClock) born(broker string, now time.Time) popBorn {
	p.mu.Lock()
	defer p.mu.Unlock()
	ahead, own := p.ahead[broker]
	if !own {
		return popBorn{text: "0"}
	}
	return popBorn{strconv.FormatInt(now.Add(ahead).UnixMilli(), 10), ahead, true}
}

// answered looks whether a broker found the time over at once.
func (p *popClock) answered(broker string, b popBorn, a *remoting.Command) {
	if a == nil || a.Code != remoting.PollingTimeout || !strings.Contains(a.Remark, "timeout too much") {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	ahead, own := p.ahead[broker]
	switch {
	case own != b.own || ahead != b.ahead: // of before the last change
	case !own:
		if p.ahead == nil {
			p.ahead = make(map[string]time.Duration)
		}
		p.ahead[broker] = 0
	default:
		p.ahead[broker] = min(max(2*ahead, time.Second), maxPopAhead)
	}
}
