package deliver

import (
	"context"
	"time"

	"lmqgate/meta/registry"
)

var _ registry.Owners = (*fakeStore)(nil)

// Owned implements registry.Owners.
func (f *fakeStore) Owned(_ context.Context, filter string, keys []string) ([]bool, error) {
	time.Sleep(time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked += len(keys)
	if f.mute != nil {
		return nil, f.mute
	}
	owned := make([]bool, len(keys))
	for i, k := range keys {
		owned[i] = f.done[[2]string{filter, k}]
		for _, s := range f.sessions {
			for _, o := range s.out {
				owned[i] = owned[i] || o.Filter == filter && o.Key == k
			}
		}
	}
	return owned, nil
}

// Finished implements registry.Owners.
func (f *fakeStore) Finished(_ context.Context, filter string, keys []string, _ time.Duration) error {
	time.Sleep(time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mute != nil {
		return f.mute
	}
	if f.done == nil {
		f.done = map[[2]string]bool{}
	}
	for _, k := range keys {
		f.done[[2]string{filter, k}] = true
	}
	return nil
}
