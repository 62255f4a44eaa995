package deliver

import (
	"sync"
	"time"
)

const (
	// shakyTime is for how long after a broker answers again its messages are doubted. What it hands out a second time comes
	// before everything new.
	shakyTime = time.Minute
	// shakySkew is how far the clocks of brokers and instances may be apart.
	shakySkew = 5 * time.Second
)

// shaky knows which brokers may have forgotten what they handed to groups. A broker writes down every few seconds only how
// far its groups are: if it is killed, it hands out once more what came in the last ones, as if for the first time. So QoS 2
// messages from before a broker was lost are looked up among the members' sessions for a while, as those are that come again
// openly.
type shaky struct {
	now func() time.Time

	mu      sync.Mutex // protects what follows
	brokers map[string]*doubt
}

// doubt is about one broker.
type doubt struct {
	boot uint64
	lost time.Time // when it was last known to be away; zero: never
}

// note takes the outcome of a POP.
func (k *shaky) note(broker string, boot uint64, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d := k.brokers[broker]
	if d == nil {
		if k.brokers == nil {
			k.brokers = make(map[string]*doubt)
		}
		d = &doubt{} // a boot of 0 is that of a broker that was never lost
		k.brokers[broker] = d
	}
	if err != nil || d.boot != boot {
		d.lost = k.now()
	}
	d.boot = boot
}

// doubts reports whether a message stored then may have been handed out before.
func (k *shaky) doubts(broker string, storeMillis int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	d := k.brokers[broker]
	return d != nil && k.now().Sub(d.lost) < shakyTime && storeMillis < d.lost.Add(shakySkew).UnixMilli()
}
