package metatest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// race: owners take a session from each other while they write. Only the last one's writes may stick, and once a write
// was fenced all later ones of that owner are.
func race(t *testing.T, b *Backend) {
	const owners, takes, writes = 6, 8, 10
	type result struct {
		epoch   session.Epoch
		written int
	}
	var (
		mu   sync.Mutex // protects last
		last result
		wg   sync.WaitGroup
	)
	for i := range owners {
		s := b.Open(t)
		wg.Go(func() {
			for range takes {
				st, err := s.Attach(t.Context(), session.AttachRequest{
					ClientID: "c", Instance: fmt.Sprint("i", i), Expiry: time.Hour,
				})
				if err != nil {
					t.Errorf("attach: %v", err)
					return
				}
				got := result{epoch: st.Epoch}
				for n := 1; n <= writes; n++ {
					err := s.Write(t.Context(), []session.Change{raced(st.Epoch, n)})[0]
					if err == nil && got.written != n-1 {
						t.Error("a fenced owner could write again")
					}
					if err == nil {
						got.written = n
					} else if !errors.Is(err, session.ErrFenced) {
						t.Errorf("write: %v", err)
					}
				}
				mu.Lock()
				if got.epoch == last.epoch {
					t.Errorf("epoch %d was given twice", got.epoch)
				}
				if got.epoch > last.epoch {
					last = got
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if last.written != writes {
		t.Errorf("the last owner wrote %d of %d", last.written, writes)
	}
	_, st, err := b.Open(t).Peek(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	if st.Epoch != last.epoch || len(st.Cursors) != 1 || st.Cursors[0].Next != writes ||
		st.Cursors[0].LastKey != strconv.FormatUint(uint64(last.epoch), 10) {
		t.Errorf("last owner %d, found %+v", last.epoch, st)
	}
}

// raced is the n-th write of an owner.
func raced(e session.Epoch, n int) session.Change {
	return session.Change{ClientID: "c", Epoch: e, SetCursors: []session.Cursor{{
		CursorKey: session.CursorKey{Filter: "f", Broker: "b"}, Next: int64(n), LastKey: strconv.FormatUint(uint64(e), 10),
	}}}
}
