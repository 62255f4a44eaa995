package registry

import (
	"context"
	"fmt"
	"time"
)

// question is what one check asks the store.
type question struct {
	at     Position
	loaded bool // at stands for a state that was loaded once
	exact  []string
}

// outcome is what one check found.
type outcome struct {
	question
	began  time.Time
	held   []bool // by question.exact
	update Update
	// snapshot replaces the wildcard filters, if reloaded; update was found before it.
	reloaded bool
	position Position
	snapshot []string
	err      error
}

// check asks the store. All that it returns was read after it began.
func check(ctx context.Context, s Store, q question) outcome {
	o := outcome{question: q, began: time.Now()}
	o.update, o.held, o.err = s.Check(ctx, q.at, q.exact)
	if o.err != nil {
		o.err = fmt.Errorf("check registry: %w", o.err)
		return o
	}
	if len(o.held) != len(q.exact) {
		o.err = fmt.Errorf("check registry: %d answers to %d filters", len(o.held), len(q.exact))
		return o
	}
	if q.loaded && o.update.To.Version < q.at.Version && !o.update.Reload {
		o.update.RolledBack = true
	}
	if !q.loaded {
		o.update.RolledBack = false // nothing was seen that could have been lost
	}
	if q.loaded && !o.update.Reload && !o.update.RolledBack {
		return o
	}
	o.reloaded = true
	o.position, o.snapshot, o.err = s.Snapshot(ctx)
	if o.err != nil {
		o.err = fmt.Errorf("load registry: %w", o.err)
	}
	return o
}
