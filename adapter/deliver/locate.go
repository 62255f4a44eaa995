package deliver

import "context"

// maxSame bounds the pulls that look for one message among those of the same millisecond.
const maxSame = 64

// byStoreTime finds the place behind the last message passed, or else the first message that was stored at its time or
// later.
func (h *Hub) byStoreTime(ctx context.Context, p plan) (found, error) {
	b, err := h.log.Pull(ctx, p.ref, 0, 1)
	if err != nil {
		return found{}, err
	}
	lo, hi := b.Min, b.Max // the answer is in [lo, hi]
	for lo < hi {
		mid := lo + (hi-lo)/2
		m, err := h.log.Pull(ctx, p.ref, mid, 1)
		if err != nil {
			return found{}, err
		}
		switch {
		case m.Moved && mid < m.Min:
			lo = min(m.Min, hi)
		case len(m.Entries) > 0 && m.Entries[0].StoreMillis < p.lastStore:
			lo = max(mid, m.Entries[0].Offset) + 1
		default:
			hi = mid
		}
	}
	f := found{next: lo, located: true, batch: Batch{Boot: b.Boot}}
	if p.lastKey == "" {
		return f, nil
	}
	at, ok, err := h.sameTime(ctx, p, lo)
	if ok {
		f.next, f.exact = at+1, true
	}
	return f, err
}

// sameTime looks for the last message passed among those stored in the same millisecond, from offset on.
func (h *Hub) sameTime(ctx context.Context, p plan, from int64) (at int64, ok bool, err error) {
	for range maxSame {
		b, err := h.log.Pull(ctx, p.ref, from, h.cfg.PullMax)
		if err != nil {
			return 0, false, err
		}
		for _, e := range b.Entries {
			switch {
			case e.Key == p.lastKey:
				return e.Offset, true, nil
			case e.StoreMillis > p.lastStore:
				return 0, false, nil
			}
		}
		if len(b.Entries) == 0 {
			break
		}
		from = b.Next
	}
	return 0, false, nil
}
