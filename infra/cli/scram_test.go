package cli

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"lmqgate/meta/access"
)

func TestScram(t *testing.T) {
	for in, password := range map[string]string{"pencil\n": "pencil", "pencil\r\nmore\n": "pencil", " pen cil ": " pen cil "} {
		var out, errs bytes.Buffer
		s := streams{in: strings.NewReader(in), out: &out, err: &errs}
		if err := s.scram([]string{"user", "--iterations", "5000"}); err != nil {
			t.Fatalf("%q: %v", in, err)
		}
		line, ended := strings.CutSuffix(out.String(), "\n")
		got, err := access.ParseScramCredential(line)
		if err != nil || !ended || got.Name != "user" || got.Iterations != 5000 || errs.Len() > 0 {
			t.Fatalf("printed %q, %q: %v", out.String(), errs.String(), err)
		}
		want, err := access.NewScramCredential("user", password, got.Salt, 5000)
		if err != nil || want.Line() != line {
			t.Errorf("%q is not of the password %q", line, password)
		}
	}
}

func TestScramRefuses(t *testing.T) {
	for args, in := range map[string]string{
		"": "x", "a b": "x", "--no-such-flag a": "x", // usage
		"a": "", "c": strings.Repeat("x", 1025), "d --iterations 100": "x", "e": "a\x07",
	} {
		var out, errs bytes.Buffer
		err := streams{in: strings.NewReader(in), out: &out, err: &errs}.scram(strings.Fields(args))
		if err == nil || out.Len() > 0 {
			t.Errorf("%q: %v, printed %q", args, err, out.String())
		}
		if errors.Is(err, errUsage) != strings.Contains(errs.String(), "usage: lmqgate scram") {
			t.Errorf("%q: %v, said %q", args, err, errs.String())
		}
	}
}
