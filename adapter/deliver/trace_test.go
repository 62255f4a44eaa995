package deliver

import "testing"

// TestTraceOff: what nobody follows costs no memory.
func TestTraceOff(t *testing.T) {
	s, e, f := &Session{}, &Entry{}, &flight{}
	if n := testing.AllocsPerRun(1000, func() {
		s.trace(f, e, 1, false)
		s.trace(nil, e, 0, false)
		s.untrace()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if f.trace != nil || s.out.traced {
		t.Error("it is followed")
	}
}
