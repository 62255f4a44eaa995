package access

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// rfcLine is the user of the example in RFC 7677 section 3, with its password as PostgreSQL keeps it.
const rfcLine = "user:SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

func rfcSalt(t *testing.T) []byte {
	t.Helper()
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	return salt
}

func TestNewScramCredential(t *testing.T) {
	c, err := NewScramCredential("user", "pencil", rfcSalt(t), 4096)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Line(); got != rfcLine {
		t.Errorf("Line = %q\nwant   %q", got, rfcLine)
	}
}

// Names and passwords that a person types in different ways are the same (RFC 4013).
func TestScramPrepares(t *testing.T) {
	soft, err := NewScramCredential("us\u00ADer", "penc\u00ADil", rfcSalt(t), 4096)
	if err != nil || soft.Line() != rfcLine {
		t.Errorf("with soft hyphens: %q, %v", soft.Line(), err)
	}
	roman, err := NewScramCredential("\u2168", "x", rfcSalt(t), 4096)
	if err != nil || roman.Name != "IX" {
		t.Errorf("roman nine: %q, %v", roman.Name, err)
	}
}

func TestNewScramCredentialRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		name, password string
		salt           []byte
		iterations     int
	}{
		"empty name":          {"", "x", rfcSalt(t), 4096},
		"control in name":     {"a\x07", "x", rfcSalt(t), 4096},
		"no UTF-8":            {"a\xff", "x", rfcSalt(t), 4096},
		"long name":           {strings.Repeat("a", 257), "x", rfcSalt(t), 4096},
		"empty password":      {"a", "", rfcSalt(t), 4096},
		"control in password": {"a", "\x07", rfcSalt(t), 4096},
		"few iterations":      {"a", "x", rfcSalt(t), 4095},
		"too many iterations": {"a", "x", rfcSalt(t), MaxScramIterations + 1},
		"short salt":          {"a", "x", rfcSalt(t)[:7], 4096},
	} {
		if got, err := NewScramCredential(c.name, c.password, c.salt, c.iterations); err == nil {
			t.Errorf("%s: %s", what, got.Line())
		}
	}
}

func TestParseScramCredential(t *testing.T) {
	for _, line := range []string{rfcLine, strings.Replace(rfcLine, "user", "a:b, c=d:SCRAM-SHA-256", 1)} {
		c, err := ParseScramCredential(line)
		if err != nil || c.Line() != line {
			t.Errorf("%q became %q, %v", line, c.Line(), err)
		}
	}
	name, rest, _ := strings.Cut(rfcLine, ":")
	for _, line := range []string{
		"", name, rest, "pencil", ":" + rest, strings.Replace(rfcLine, "256", "1", 1), strings.Replace(rfcLine, "4096", "4095", 1),
		strings.Replace(rfcLine, "4096", "", 1), strings.Replace(rfcLine, "4096", "99999999999999999999", 1),
		strings.Replace(rfcLine, "W22ZaJ0SNY7soEsUEjb6gQ==", "W22Z", 1), strings.Replace(rfcLine, "W22Z", "W2!Z", 1),
		strings.Replace(rfcLine, "=:wfPL", "=", 1), rfcLine[:len(rfcLine)-4], rfcLine + "x", rfcLine + ":",
		strings.Replace(rfcLine, "WG5d", "", 1), strings.Replace(rfcLine, "user", "us\x07er", 1),
	} {
		if c, err := ParseScramCredential(line); err == nil {
			t.Errorf("%q was read as %q", line, c.Line())
		} else if len(line) > 20 && strings.Contains(err.Error(), line[len(line)-20:]) {
			t.Errorf("the error repeats the keys: %v", err)
		}
	}
}

func TestScramCredentialHidesItsKeys(t *testing.T) {
	c, err := ParseScramCredential(rfcLine)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "c", c)
	shown := []string{fmt.Sprintf("%v %+v %#v %s %x", c, c, c, []ScramCredential{c}, &c), log.String()}
	for _, s := range shown {
		if strings.Contains(s, "WG5d8oPm3O") || strings.Contains(s, "586e5df283e6") || strings.Contains(s, "StoredKey") {
			t.Errorf("shows its keys: %s", s)
		}
	}
	if b, err := json.Marshal(c); err != nil || strings.Contains(string(b), "WG5d8oPm3O") {
		t.Errorf("JSON shows its keys: %s, %v", b, err)
	}
}

func FuzzParseScramCredential(f *testing.F) {
	f.Add(rfcLine)
	f.Add("a:SCRAM-SHA-256$:$:")
	f.Fuzz(func(t *testing.T, line string) {
		c, err := ParseScramCredential(line)
		if err != nil {
			return
		}
		again, err := ParseScramCredential(c.Line())
		if err != nil || again.Line() != c.Line() {
			t.Errorf("%q is not read as what it is: %v", c.Line(), err)
		}
	})
}
