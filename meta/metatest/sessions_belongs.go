package metatest

import (
	"errors"
	"testing"
	"time"

	"lmqgate/meta/session"
)

// belongs: a session that belongs to somebody is nobody else's until it is over.
func belongs(t *testing.T, b *Backend) {
	one, two := b.Open(t), b.Open(t)
	ask := func(s session.Store, instance, user string, clean bool, expiry time.Duration) (session.State, error) {
		return s.Attach(t.Context(), session.AttachRequest{ClientID: "c", Instance: instance, Holder: user, CleanStart: clean, Expiry: expiry})
	}
	grant := func(s session.Store, instance, user string, present bool, expiry time.Duration) session.State {
		t.Helper()
		st, err := ask(s, instance, user, false, expiry)
		if err != nil || st.Present != present {
			t.Fatalf("%q on %s: present %v, %v", user, instance, st.Present, err)
		}
		return st
	}
	refuse := func(users ...string) {
		t.Helper()
		for _, user := range users {
			for _, clean := range []bool{false, true} {
				for _, at := range []string{"i1", "i2"} {
					if st, err := ask(two, at, user, clean, time.Hour); !errors.Is(err, session.ErrForeign) {
						t.Fatalf("%q on %s, clean %v: %+v, %v", user, at, clean, st, err)
					}
				}
			}
		}
	}
	grant(one, "i1", "", false, time.Hour)
	st := grant(two, "i2", "ann", true, time.Hour) // what was nobody's is the first one's who says so
	refuse("", "bob", "an", "=ann", "*", "ANN")
	write(t, one, session.Change{ClientID: "c", Epoch: st.Epoch, SetSubs: []session.Subscription{sub("a", 1)}}) // whom nobody took it from
	st = grant(one, "i1", "ann", true, time.Hour)
	detach(t, one, "c", st.Epoch)
	refuse("", "bob")
	if st = grant(one, "i1", "ann", true, 2*time.Second); len(st.Subscriptions) != 1 {
		t.Errorf("%+v", st)
	}
	detach(t, one, "c", st.Epoch)
	b.Pass(t, 2500*time.Millisecond)
	st = grant(two, "i2", "bob", false, 0) // it has expired
	refuse("", "ann")
	detach(t, two, "c", st.Epoch)
	st = grant(one, "i1", "", false, time.Hour)
	detach(t, one, "c", st.Epoch)
	grant(two, "i2", "ann", true, time.Hour)
	if st, err := two.Attach(t.Context(), session.AttachRequest{ClientID: "c", Instance: "i1", AnyHolder: true, Expiry: time.Hour}); err != nil || !st.Present {
		t.Errorf("whomever it belongs to: %+v, %v", st, err)
	}
	refuse("", "bob") // and does
	grant(two, "i2", "ann", true, time.Hour)
}
