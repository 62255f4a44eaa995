package metatest

import (
	"testing"
	"time"

	"lmqgate/meta/session"
)

// groupOwners: what a member has in flight, or has finished with, is owned in its group and nowhere else.
func groupOwners(t *testing.T, b *Backend) {
	for _, f := range []string{"a/b", "a/+"} {
		s := b.Open(t)
		shared, other := "$share/g/"+f, "$share/h/"+f
		hold(t, s, held(shared, "c"+f, 1), held(shared, "d"+f, 1), held(other, "e"+f, 1))
		st := attach(t, s, session.AttachRequest{ClientID: "d" + f, Instance: "i"})
		out := session.Outbound{PacketID: 1, QoS: 2, State: session.OutSent, CursorKey: session.CursorKey{Filter: shared, Broker: "a"}, Key: "flying"}
		plain := out
		plain.PacketID, plain.Filter, plain.Key = 2, f, "plain"
		for _, err := range s.Write(t.Context(), []session.Change{{ClientID: "d" + f, Epoch: st.Epoch, SetOut: []session.Outbound{out, plain}}}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Finished(t.Context(), shared, []string{"done", "past"}, time.Hour); err != nil {
			t.Fatal(err)
		}
		ask := func(filter string, want ...bool) {
			t.Helper()
			got, err := s.Owned(t.Context(), filter, []string{"flying", "new", "done", "plain"})
			if err != nil {
				t.Fatal(err)
			}
			equal(t, "owned of "+filter, got, want)
		}
		ask(shared, true, false, true, false)
		ask(other, false, false, false, false)
		for _, err := range s.Write(t.Context(), []session.Change{{ClientID: "d" + f, Epoch: st.Epoch, DropOut: []uint16{1}}}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		ask(shared, false, false, true, false)
		if b.Jumps {
			b.Pass(t, 2*time.Hour)
			if err := s.Finished(t.Context(), shared, []string{"another"}, time.Hour); err != nil { // which trims
				t.Fatal(err)
			}
			ask(shared, false, false, false, false)
		}
	}
}
