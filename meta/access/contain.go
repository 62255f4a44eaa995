package access

import (
	"slices"
	"strings"

	"lmqgate/meta/topic"
)

// maxVisits bounds the rules looked at for one filter. Whether lists of rules with wildcards leave out a topic of a filter is
// a question that grows beyond all bounds with their number in the worst case; such filters are refused.
const maxVisits = 100_000

// pattern is what is left of a filter behind the levels looked at; nil: it ended there.
type pattern []string

func (p pattern) ends() bool { return len(p) == 0 || len(p) == 1 && p[0] == "#" } // the parent of '#' [MQTT-4.7.1-2]
func (p pattern) all() bool  { return len(p) == 1 && p[0] == "#" }

// step is the pattern behind one more level, if that may be this one. wild is false for a first level that begins with '$'
// [MQTT-4.7.2-1].
func (p pattern) step(level string, wild bool) (pattern, bool) {
	switch {
	case len(p) == 0:
		return nil, false
	case p[0] == "#":
		return p, wild
	case p[0] == "+":
		return p[1:], wild
	}
	return p[1:], p[0] == level
}

// other stands for a level that no rule names: NUL is in no name. A first level that begins with '$' is matched by no
// wildcard, so it needs no other.
const other = "\x00"

type option struct {
	rest  pattern
	allow bool
}

// place is how far a topic has come.
type place byte

const (
	nowhere place = iota
	leading       // behind an empty first level: not a topic name yet [MQTT-4.7.3-1]
	within
)

// container walks the topics of a filter, all that the rules do not tell apart at once.
type container struct {
	byDefault bool
	visits    int
}

// subscribable reports whether the first rule that covers it allows each topic that the filter matches.
func subscribable(filter string, lists [2][]Rule, v *values, byDefault bool) bool {
	if _, inner, shared, err := topic.ParseShared(filter); err != nil {
		return false
	} else if shared {
		filter = inner
	}
	var options []option
	for _, list := range lists {
		for i := range list {
			r := &list[i]
			if !slices.Contains(r.Actions, Subscribe) {
				continue
			}
			if p, ok := v.pattern(r); ok {
				options = append(options, option{p, r.Allow})
			}
		}
	}
	w := container{byDefault: byDefault}
	return w.allowed(strings.Split(filter, "/"), options, nowhere)
}

// pattern is a rule's filter for these values; ok is false if it covers nothing.
func (v *values) pattern(r *Rule) (p pattern, ok bool) {
	p = strings.Split(r.Topic, "/")
	for i, level := range p {
		if p[i], ok = v.fill(level, i == 0); !ok {
			if r.Allow {
				return nil, false
			}
			p[i] = "+"
		}
	}
	return p, true
}

// allowed is for the topics that go on as f does, and the options that may cover them.
func (w *container) allowed(f pattern, options []option, at place) bool {
	if w.visits += len(options) + 1; w.visits > maxVisits {
		return false
	}
	if at == leading && len(f) == 0 {
		return true // no topic name
	}
	if at != nowhere {
		if answer, uniform := w.settled(&options); uniform {
			return answer
		}
		if at == within && f.ends() && !w.atEnd(options) {
			return false
		}
	}
	switch {
	case len(f) == 0:
		return true
	case f[0] != "+" && f[0] != "#":
		return w.through(f, options, f[0], at)
	case !w.through(f, options, other, at): // first, since most filters fail there
		return false
	}
	done := make(map[string]bool, len(options))
	for _, o := range options {
		if len(o.rest) == 0 || o.rest[0] == "+" || o.rest[0] == "#" || done[o.rest[0]] {
			continue
		}
		done[o.rest[0]] = true
		if !w.through(f, options, o.rest[0], at) {
			return false
		}
	}
	return true
}

// settled answers where it does not depend on how the topic goes on. It drops options behind one that covers the rest.
func (w *container) settled(options *[]option) (answer, uniform bool) {
	list := *options
	answer = w.byDefault
	if at := slices.IndexFunc(list, func(o option) bool { return o.rest.all() }); at >= 0 {
		list = list[:at+1]
		*options, answer = list, list[at].allow
	}
	for i := range list {
		if list[i].allow != answer {
			return false, false
		}
	}
	return answer, true
}

// atEnd is the answer for the topic that ends here.
func (w *container) atEnd(options []option) bool {
	for _, o := range options {
		if o.rest.ends() {
			return o.allow
		}
	}
	return w.byDefault
}

// through is for topics that have this level next.
func (w *container) through(f pattern, options []option, level string, at place) bool {
	wild := at != nowhere || !strings.HasPrefix(level, "$")
	next, ok := f.step(level, wild)
	if !ok {
		return true // no topic of the filter
	}
	w.visits += len(options)
	left := make([]option, 0, len(options))
	for _, o := range options {
		if rest, ok := o.rest.step(level, wild); ok {
			left = append(left, option{rest, o.allow})
		}
	}
	if at == nowhere && level == "" {
		return w.allowed(next, left, leading)
	}
	return w.allowed(next, left, within)
}
