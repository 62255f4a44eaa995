package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"lmqgate/infra/doctor"
)

const doctorUsage = `usage: lmqgate doctor [flags]

Examines what a gateway with this environment would meet: the environment itself, Redis, the name servers, each broker, the
topics; it tries what the gateway does in Redis on keys of its own that live for a minute at most, and sends a message
through each broker. Run it where the gateway runs, with the gateway's environment.

Each line is OK, WARN (works, but loses or refuses something sooner than expected) or FAIL (does not work, or loses what is
promised), with what to do.

Exit status: 0 nothing failed; 1 something failed, or with --strict also on a warning; 2 wrong flags, or an environment
with which the gateway does not start.

`

// errUnwell ends a command whose findings were printed.
var errUnwell = errors.New("something failed, see above")

// doctor runs the command of that name.
func (s streams) doctor(ctx context.Context, args []string) error {
	var asJSON, strict, noWrites bool
	var limit time.Duration
	set := flag.NewFlagSet("doctor", flag.ContinueOnError)
	set.SetOutput(s.err)
	set.BoolVar(&asJSON, "json", false, "print JSON, for programs")
	set.BoolVar(&strict, "strict", false, "a warning counts as a failure")
	set.BoolVar(&noWrites, "no-writes", false, "write nothing: no keys in Redis, no message and no topic in RocketMQ")
	set.DurationVar(&limit, "timeout", 20*time.Second, "end after this time, with what is known then")
	set.Usage = func() { fmt.Fprint(set.Output(), doctorUsage); set.PrintDefaults() }
	if slices.ContainsFunc(args, func(a string) bool { return a == "-h" || a == "-help" || a == "--help" }) {
		set.SetOutput(s.out)
	}
	rest, err := interleaved(set, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return err
	case err != nil:
		return errUsage
	case len(rest) > 0 || limit <= 0:
		fmt.Fprintln(s.err, "lmqgate doctor: takes flags only, and --timeout is a duration such as 20s (--help tells more)")
		return errUsage
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	report, wrong := doctor.Examine(ctx, doctor.Config{Environment: s.environ, NoWrites: noWrites})
	if asJSON {
		err = printSafeJSON(s.out, report)
	} else {
		err = printReport(s.out, report)
	}
	switch {
	case err != nil:
		return err
	case len(wrong) > 0:
		return errUsage
	case report.Grade == doctor.Fail, report.Grade == doctor.Warn && strict:
		return errUnwell
	}
	return nil
}

// printReport prints a line for each finding, and what to do below it.
func printReport(w io.Writer, r *doctor.Report) error {
	width := 0
	for _, f := range r.Findings {
		width = max(width, utf8.RuneCountInString(label(f)))
	}
	indent := len("WARN  ") + width + 2
	var b strings.Builder
	for _, f := range r.Findings {
		name := label(f)
		fmt.Fprintf(&b, "%-4s  %s%s  %s\n", f.Grade, name, strings.Repeat(" ", width-utf8.RuneCountInString(name)), wrap(plain(f.Text), indent))
		if f.Remedy != "" {
			fmt.Fprintf(&b, "%s-> %s\n", strings.Repeat(" ", indent), wrap(plain(f.Remedy), indent+3))
		}
	}
	fmt.Fprintf(&b, "\n%d OK, %d WARN, %d FAIL in %s\n", r.Count(doctor.OK), r.Count(doctor.Warn), r.Count(doctor.Fail), r.Took.Round(time.Millisecond))
	_, err := io.WriteString(w, b.String())
	return err
}

// Lines of a report.
const (
	labelWidth = 34  // of the column of names at most
	lineWidth  = 118 // where text goes on in the next line
)

// wrap breaks text between words, so that it fits behind an indent.
func wrap(text string, indent int) string {
	var b strings.Builder
	at := indent
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > lineWidth:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}

func label(f doctor.Finding) string {
	name := f.Check
	if f.Of != "" {
		name += " " + plain(f.Of)
	}
	return shorten(name, labelWidth)
}
