package history

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
)

// TestValid: what a server does that makes no mistake is never called one.
func TestValid(t *testing.T) {
	owed, wills := 0, 0
	for seed := range uint64(300) {
		v := Check(simulated(seed, 300))
		for _, x := range v.Violations {
			t.Fatalf("seed %d: %v", seed, x)
		}
		owed, wills = owed+v.Expected, wills+v.Wills
	}
	if owed == 0 || wills == 0 {
		t.Errorf("%d deliveries and %d wills were owed: the check had nothing to look at", owed, wills)
	}
	t.Logf("%d deliveries and %d wills owed", owed, wills)
}

// TestDeleted takes deliveries out of valid histories: each is missed exactly if it was owed, and then alone.
func TestDeleted(t *testing.T) {
	missed := 0
	for seed := range uint64(20) {
		events := simulated(seed, 200)
		for i, e := range events {
			if e.Kind != Deliver {
				continue
			}
			v := Check(append(append([]Event(nil), events[:i]...), events[i+1:]...))
			if len(v.Violations) > 1 || len(v.Violations) == 1 && v.Violations[0].Rule != Lost && v.Violations[0].Rule != WillRule {
				t.Fatalf("seed %d without %v: %v", seed, e, v.Violations)
			}
			missed += len(v.Violations)
		}
	}
	if missed == 0 {
		t.Error("no missing delivery was noticed")
	}
	t.Logf("%d missing deliveries noticed", missed)
}

func TestFile(t *testing.T) {
	events := simulated(1, 200)
	var b bytes.Buffer
	if err := Write(&b, events); err != nil {
		t.Fatal(err)
	}
	back, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(events, back) {
		t.Error("what is read is not what was written")
	}
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := Write(&b, simulated(2, 20)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"at":-1,"kind":"connected","conn":7}` + "\n" + `{"kind":"subscribed","filter":"$share/"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		events, err := Read(bytes.NewReader(data))
		if err == nil {
			_ = fmt.Sprint(Check(events)) // whatever was read, judging it ends
		}
	})
}
