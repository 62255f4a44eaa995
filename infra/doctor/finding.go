package doctor

import (
	"fmt"
	"time"
)

// Grade is how bad a finding is.
type Grade int

// The grades. A gateway with a Fail does not work, or loses what it promises to keep; one with a Warn may at times, or
// sooner than somebody thinks.
const (
	OK Grade = iota
	Warn
	Fail
)

// String returns the grade as it is printed.
func (g Grade) String() string {
	switch g {
	case OK:
		return "OK"
	case Warn:
		return "WARN"
	}
	return "FAIL"
}

// MarshalText writes String, in JSON too.
func (g Grade) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// Finding is what one check found out.
type Finding struct {
	// Check names the question, such as "redis.eviction"; it stays the same over versions.
	Check string `json:"check"`
	// Of is what was examined where there are several: a variable, an address, a broker, a topic.
	Of    string `json:"of,omitempty"`
	Grade Grade  `json:"grade"`
	Text  string `json:"text"`
	// Remedy says what to do; empty if it is well.
	Remedy string `json:"remedy,omitempty"`
}

func fine(format string, args ...any) Finding {
	return Finding{Text: fmt.Sprintf(format, args...)}
}

func warning(remedy, format string, args ...any) Finding {
	return Finding{Grade: Warn, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

func failure(remedy, format string, args ...any) Finding {
	return Finding{Grade: Fail, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

// as names what was asked, and of what.
func (f Finding) as(check, of string) Finding {
	f.Check, f.Of = check, of
	return f
}

// Report is all that was found out, in a fixed order: environment, Redis, name servers, brokers, topics.
type Report struct {
	Grade    Grade         `json:"grade"` // the worst
	Findings []Finding     `json:"findings"`
	Took     time.Duration `json:"-"`
	TookMS   int64         `json:"took_ms"`
}

// Count returns how many findings have the grade.
func (r *Report) Count(g Grade) int {
	n := 0
	for _, f := range r.Findings {
		if f.Grade == g {
			n++
		}
	}
	return n
}

func (r *Report) add(all ...Finding) {
	for _, f := range all {
		r.Findings = append(r.Findings, f)
		r.Grade = max(r.Grade, f.Grade)
	}
}

// short is a duration for people: three digits or so.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < 100*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < 10*time.Second:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
