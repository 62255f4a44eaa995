package will

import "sync"

// workers runs blocking calls on at most limit goroutines, which exist only while there is something to run. The calls
// waiting are bounded by their callers: a will waits for two at most.
type workers struct {
	limit int

	mu      sync.Mutex // protects all below but group
	waiting []func()
	running int
	closed  bool
	group   sync.WaitGroup
}

// run calls fn soon, in the order of run as far as goroutines are free. After close it does not, and returns false.
func (w *workers) run(fn func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	if w.running == w.limit {
		w.waiting = append(w.waiting, fn)
		return true
	}
	w.running++
	w.group.Go(func() {
		for fn := fn; fn != nil; fn = w.next() {
			fn()
		}
	})
	return true
}

// next takes the longest waiting call, or ends the goroutine that asks.
func (w *workers) next() func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		w.waiting = nil
		w.running--
		return nil
	}
	fn := w.waiting[0]
	w.waiting[0] = nil
	w.waiting = w.waiting[1:]
	return fn
}

// close returns when everything given to run so far has run.
func (w *workers) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.group.Wait()
}
