package admin

import (
	"context"
	"time"

	"lmqgate/meta/status"
)

// Instance is one that is registered, with the figures that it last reported.
type Instance struct {
	ID       string     `json:"instance"`
	Live     bool       `json:"live"`     // its lease has not ended
	Lease    *time.Time `json:"lease"`    // when that is or was
	Sessions int64      `json:"sessions"` // recorded as its own: connected clients, of a dead one those not swept yet
	// Figures are null for an instance that reports none (STATUS_INTERVAL=0) or is gone.
	Figures *status.Figures `json:"figures"`
}

// Instances are all.
type Instances struct {
	Instances []Instance `json:"instances"`
}

// Instances lists the registered instances, the longest dead first.
func (a *Admin) Instances(ctx context.Context) (Instances, error) {
	leases, err := a.cfg.Sessions.Leases(ctx)
	if err != nil {
		return Instances{}, err
	}
	figures, err := a.cfg.Status.All(ctx)
	if err != nil {
		return Instances{}, err
	}
	by := make(map[string]*status.Figures, len(figures))
	for i := range figures {
		by[figures[i].Instance] = &figures[i]
	}
	out := Instances{Instances: make([]Instance, 0, len(leases))}
	for _, l := range leases {
		out.Instances = append(out.Instances, Instance{
			ID: l.Instance, Live: l.Live, Lease: timestamp(l.Ends), Sessions: l.Sessions, Figures: by[l.Instance],
		})
	}
	return out, nil
}
