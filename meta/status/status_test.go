package status

import (
	"reflect"
	"testing"
)

// Every number of Figures is added up.
func TestSum(t *testing.T) {
	one, two := Figures{Instance: "a", Version: "1"}, Figures{Instance: "b", Version: "2"}
	fill := func(f *Figures, v int64) {
		s := reflect.ValueOf(f).Elem()
		for i := range s.NumField() {
			if s.Field(i).Kind() == reflect.Int64 {
				s.Field(i).SetInt(v)
			}
		}
	}
	fill(&one, 3)
	fill(&two, 4)
	var want Figures
	fill(&want, 7)
	want.Uptime = 4
	if got := Sum([]Figures{one, two}); got != want {
		t.Errorf("Sum = %+v, want %+v", got, want)
	}
	if got := Sum(nil); got != (Figures{}) {
		t.Errorf("Sum of nothing = %+v", got)
	}
}
