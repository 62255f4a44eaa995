package rocketmq

import (
	"context"
	"sync"
	"time"
)

const (
	delayTick  = 5 * time.Millisecond
	delaySlots = 1024
)

// delays calls back after short times: one timing wheel and one goroutine for
// all watches. With nothing due the goroutine sleeps without a timer. Entries
// are not taken out: who changed its mind ignores the call.
type delays struct {
	wake chan struct{} // capacity 1

	mu    sync.Mutex // protects the fields below
	slots [delaySlots][]delayed
	tick  int64 // the last tick that was run
	count int
	began time.Time
}

type delayed struct {
	due int64
	run func()
}

func newDelays() *delays {
	return &delays{wake: make(chan struct{}, 1), began: time.Now()}
}

// after has run called in about d, on the wheel's goroutine; run must not block.
func (w *delays) after(d time.Duration, run func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := int64(time.Since(w.began) / delayTick)
	if w.count == 0 {
		w.tick = now
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	due := max(now, w.tick) + max(1, int64((d+delayTick-1)/delayTick))
	w.slots[due%delaySlots] = append(w.slots[due%delaySlots], delayed{due, run})
	w.count++
}

// loop runs until ctx ends.
func (w *delays) loop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		t := time.NewTicker(delayTick)
		for busy := true; busy; {
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-t.C:
			}
			busy = w.turn()
		}
		t.Stop()
	}
}

// turn runs what is due and tells whether anything is left.
func (w *delays) turn() bool {
	w.mu.Lock()
	target := int64(time.Since(w.began) / delayTick)
	var due []delayed
	for ; w.tick < target; w.tick++ {
		slot := &w.slots[(w.tick+1)%delaySlots]
		kept := (*slot)[:0]
		for _, d := range *slot {
			if d.due <= target {
				due = append(due, d)
			} else {
				kept = append(kept, d)
			}
		}
		clear((*slot)[len(kept):])
		*slot = kept
	}
	w.count -= len(due)
	busy := w.count > 0
	w.mu.Unlock()
	for _, d := range due {
		d.run()
	}
	return busy
}
