package deliver

import (
	"context"
	"fmt"
	"strings"
	"time"

	"lmqgate/meta/registry"
)

var _ registry.Groups = (*fakeRegistry)(nil)

// fakeLife is the life of a group as the registry keeps it. Protected by fakeRegistry.mu.
type fakeLife struct {
	registry.Life
	begun bool
	until time.Time
}

// members counts the holdings of a group.
func (r *fakeRegistry) members(filter string) (n int) {
	for k := range r.holds {
		if k[0] == filter {
			n++
		}
	}
	return n
}

// left ends a group whose last holding has gone.
func (r *fakeRegistry) left(filter string) {
	l := r.lives[filter]
	if l == nil || r.members(filter) > 0 {
		return
	}
	delete(r.lives, filter)
	if r.ended != nil {
		go r.ended(filter, l.Life)
	}
}

func (r *fakeRegistry) token() string { return fmt.Sprint("life", time.Now().UnixNano()) }

// Join implements registry.Groups.
func (r *fakeRegistry) Join(_ context.Context, filter string, lease time.Duration, limit int) (registry.Life, registry.Stage, error) {
	time.Sleep(time.Millisecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return registry.Life{}, 0, r.fail
	}
	if r.members(filter) == 0 {
		return registry.Life{}, 0, registry.ErrNoGroup
	}
	l := r.lives[filter]
	if l != nil && l.begun {
		return l.Life, registry.StageBegun, nil
	}
	if l != nil && time.Now().Before(l.until) {
		return registry.Life{}, registry.StageWait, nil
	}
	_, inner, _ := strings.Cut(strings.TrimPrefix(filter, "$share/"), "/")
	same := 0
	for f := range r.lives {
		if strings.HasSuffix(f, "/"+inner) {
			same++
		}
	}
	if l == nil && same >= limit {
		return registry.Life{}, 0, registry.ErrTooManyGroups
	}
	l = &fakeLife{Life: registry.Life{Token: r.token(), Since: time.Now().UnixMilli()}, until: time.Now().Add(lease)}
	r.lives[filter] = l
	return l.Life, registry.StageBegin, nil
}

// Begun implements registry.Groups.
func (r *fakeRegistry) Begun(_ context.Context, filter string, b registry.Life) (bool, error) {
	time.Sleep(time.Millisecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return false, r.fail
	}
	l := r.lives[filter]
	if l == nil || l.Token != b.Token {
		return false, nil
	}
	l.Life, l.begun = b, true
	return true, nil
}

// Renew implements registry.Groups.
func (r *fakeRegistry) Renew(_ context.Context, filter string, b registry.Life) (registry.Life, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return registry.Life{}, r.fail
	}
	if r.members(filter) == 0 {
		return registry.Life{}, registry.ErrNoGroup
	}
	if l := r.lives[filter]; l == nil || !l.begun {
		r.lives[filter] = &fakeLife{Life: b, begun: true}
	}
	return r.lives[filter].Life, nil
}

// OnGroupEnd implements registry.Groups.
func (r *fakeRegistry) OnGroupEnd(fn func(filter string, l registry.Life)) { r.ended = fn }
