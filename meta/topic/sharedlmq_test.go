package topic

import (
	"strings"
	"testing"
)

// TestSharedLMQ: names are for good, since queues have them. The hash was checked with openssl and base32.
func TestSharedLMQ(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		name, filter string
		lmq          string // "" = LMQ's
	}{
		{"ordinary", "t/+", "%LMQ%t%+%"},
		{"short, not ASCII", "温度/é", ""},
		{"with an @", "t/a@b.example", ""},
		{"hashed", "t/50%", ""},
		{"longest", x(122), "%LMQ%" + x(122)},
		{"longest of several levels", "t/" + x(119) + "/", "%LMQ%t%" + x(119) + "%"},
		{"too long", x(123), "%LMQ%%share~LPCVRECJGYT2AZPPXMUZBYVDJKJO72YUFGVT6PL5DQREN4QRJYRQ"},
		{"of 180 bytes", "t/" + x(178), "%LMQ%%share~"},
		{"longest, not ASCII", strings.Repeat("中", 27), ""},
		{"too long, not ASCII", strings.Repeat("中", 27) + "x", "%LMQ%%share~"},
		{"hashed with a long first level", x(130) + "/50%", "%LMQ%%share~"},
		{"hashed with a first level not ASCII", strings.Repeat("中", 20) + "/50%", "%LMQ%%share~"},
	} {
		got, lmq := SharedLMQ(c.filter), LMQ(c.filter)
		switch {
		case c.lmq == "" && got != lmq, c.lmq != "" && !strings.HasPrefix(got, c.lmq):
			t.Errorf("%s: SharedLMQ = %q", c.name, got)
		case got != lmq && (len(got) != 64 || !isASCII(got) || !IsHashedLMQ(got)):
			t.Errorf("%s: SharedLMQ = %q of %d bytes", c.name, got, len(got))
		case got != SharedLMQ(normalised(c.filter)):
			t.Errorf("%s: another one with a slash at its end", c.name)
		}
	}
}

// FuzzSharedLMQ: groups can consume what it gives, and it tells the same filters apart as LMQ, in names of its own.
func FuzzSharedLMQ(f *testing.F) {
	for _, s := range []string{"t", "t/r1", "a,b", "\xff/a", strings.Repeat("y", 150), strings.Repeat("温", 40), "%share~x", "/share~"} {
		f.Add(s, s+"/")
		f.Add(s, "t/r1")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || b == "" {
			return
		}
		sa, sb := SharedLMQ(a), SharedLMQ(b)
		if !(len(sa) <= 86 || len(sa) <= 127 && isASCII(sa)) || sa == LMQPrefix {
			t.Errorf("SharedLMQ(%q) = %q", a, sa)
		}
		if (sa == sb) != (LMQ(a) == LMQ(b)) || sa == LMQ(b) && sb != sa {
			t.Errorf("%q and %q have %q and %q", a, b, sa, sb)
		}
		if IsHashedLMQ(sa) && sa != LMQ(a) && !isHashedShared(sa) {
			t.Errorf("SharedLMQ(%q) = %q", a, sa)
		}
	})
}
