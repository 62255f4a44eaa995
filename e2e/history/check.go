package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Rule is the name of a promise, see the package's documentation.
type Rule string

// Rules.
const (
	Lost       Rule = "lost"
	Twice      Rule = "twice"
	Order      Rule = "order"
	Uninvited  Rule = "uninvited"
	Forged     Rule = "forged"
	Session    Rule = "session"
	Owner      Rule = "owner"
	WillRule   Rule = "will"
	RetainRule Rule = "retained"
	Unanswered Rule = "unanswered"
)

// Permit excuses what breaks a rule between two moments, since a fault by its nature loses it: one of the events that decide
// about it lies between them. Verdicts name what was excused.
type Permit struct {
	Rules    []Rule
	From, To time.Duration
	Why      string
}

// Violation is one promise that was not kept, with the events that show it.
type Violation struct {
	Rule  Rule
	Text  string
	Proof []Event
	Why   string // it is excused for this reason

	at time.Duration // of the last event of the proof
}

// String is the violation and its proof, a line each.
func (v Violation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", v.Rule, v.Text)
	if v.Why != "" {
		fmt.Fprintf(&b, " (excused: %s)", v.Why)
	}
	for _, e := range v.Proof {
		fmt.Fprintf(&b, "\n    %v", e)
	}
	return b.String()
}

// Verdict is what Check found.
type Verdict struct {
	Violations []Violation
	Excused    []Violation

	Connections, Published, Acked, Delivered, Expected, Wills int
}

// String is the verdict in a line.
func (v Verdict) String() string {
	word := "nothing wrong"
	if len(v.Violations) > 0 {
		word = fmt.Sprintf("%d VIOLATIONS", len(v.Violations))
	}
	if n := len(v.Excused); n > 0 {
		word += fmt.Sprintf(", %d excused", n)
	}
	return fmt.Sprintf("%s: %d connections, %d messages published, %d acknowledged, %d deliveries, %d of them owed, %d wills owed",
		word, v.Connections, v.Published, v.Acked, v.Delivered, v.Expected, v.Wills)
}

// Check judges a history. Without a Quiet event nothing is missing yet: what may still come is not asked for.
func Check(events []Event, permits ...Permit) Verdict {
	x := newIndex(events)
	c := &checker{index: x, permits: permits}
	c.verdict.Connections, c.verdict.Published = len(x.conns), x.published
	for _, check := range []func(){c.forged, c.uninvited, c.twice, c.order, c.sessions, c.owner} {
		check()
	}
	if x.quiet < never {
		for _, check := range []func(){c.lost, c.wills, c.retained, c.unanswered} {
			check()
		}
	}
	for _, m := range x.messages {
		if m.acked < never {
			c.verdict.Acked++
		}
	}
	for _, l := range x.deliveries {
		c.verdict.Delivered += len(l)
	}
	byTime := func(a, b Violation) int { return cmp.Compare(a.at, b.at) }
	slices.SortStableFunc(c.verdict.Violations, byTime)
	slices.SortStableFunc(c.verdict.Excused, byTime)
	return c.verdict
}

// checker collects violations.
type checker struct {
	*index
	permits []Permit
	verdict Verdict
}

// found notes a violation with the events at these places as its proof, all of which decide about it.
func (c *checker) found(r Rule, proof []int, format string, args ...any) {
	c.decided(r, proof, nil, format, args...)
}

// decided notes a violation. The first places are of events that decide about it, the others explain; never stands for none.
func (c *checker) decided(r Rule, by, more []int, format string, args ...any) {
	v := Violation{Rule: r, Text: fmt.Sprintf(format, args...)}
	all := slices.Concat(by, more)
	slices.Sort(all)
	for _, i := range slices.Compact(all) {
		if i >= 0 && i < len(c.events) {
			v.Proof = append(v.Proof, c.events[i])
		}
	}
	if n := len(v.Proof); n > 0 {
		v.at = v.Proof[n-1].At
	}
	for _, p := range c.permits {
		within := func(i int) bool {
			return i >= 0 && i < len(c.events) && c.events[i].At >= p.From && c.events[i].At <= p.To
		}
		if slices.Contains(p.Rules, r) && slices.ContainsFunc(by, within) {
			v.Why = p.Why
			c.verdict.Excused = append(c.verdict.Excused, v)
			return
		}
	}
	c.verdict.Violations = append(c.verdict.Violations, v)
}

// String is an event in words.
func (e Event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%9.3fs %s", e.At.Seconds(), e.Kind)
	put := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, " %s=%s", name, value)
		}
	}
	put("client", e.Client)
	if e.Conn > 0 {
		put("connection", fmt.Sprint(e.Conn))
	}
	put("message", e.Msg)
	put("topic", e.Topic)
	put("filter", e.Filter)
	if e.Topic != "" || e.Filter != "" {
		put("qos", fmt.Sprint(e.QoS))
	}
	if e.Code != 0 {
		put("code", fmt.Sprintf("0x%02x", e.Code))
	}
	for _, flag := range []struct {
		name string
		on   bool
	}{{"clean", e.Clean}, {"present", e.Present}, {"cut", e.Cut}, {"retain", e.Retain}, {"empty", e.Empty}, {"dup", e.Dup}} {
		if flag.on {
			b.WriteString(" " + flag.name)
		}
	}
	put("expiry", orEmpty(e.Expiry))
	put("delay", orEmpty(e.Delay))
	put("text", e.Text)
	return b.String()
}

func orEmpty(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
