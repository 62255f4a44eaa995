package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// with passes messages whose payload begins with prefix: on a shared broker wildcards match other tests' messages too.
func with(prefix string) func(arrival) bool {
	return func(a arrival) bool { return strings.HasPrefix(a.payload, prefix) }
}

// numbered are the payloads prefix 0, prefix 1, ...
func numbered(prefix string, n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return list
}

// payloads of the arrivals, in their order.
func payloads(list []arrival) []string {
	all := make([]string, len(list))
	for i, a := range list {
		all[i] = a.payload
	}
	return all
}

// gotExactly waits for the messages with prefix and requires that they are wanted's, each once and in that order.
func gotExactly(t testing.TB, d *device, prefix string, wanted []string) {
	t.Helper()
	d.gets(soon, len(wanted), with(prefix))
	if diff := difference(wanted, payloads(d.received(with(prefix)))); diff != "" {
		t.Errorf("%s, messages %s...: %s", d.id, prefix, diff)
	}
}

// gotInOrder is gotExactly for QoS 1 over several connections: a message may come again, its first time counts.
func gotInOrder(t testing.TB, d *device, prefix string, wanted []string) {
	t.Helper()
	d.within(soon, func() bool {
		seen := map[string]bool{}
		for _, a := range d.got {
			seen[a.payload] = true
		}
		return !slices.ContainsFunc(wanted, func(p string) bool { return !seen[p] })
	})
	if diff := difference(wanted, firsts(payloads(d.received(with(prefix))))); diff != "" {
		t.Errorf("%s, messages %s...: %s", d.id, prefix, diff)
	}
}

// difference says in few words how got differs from wanted, "" if it does not.
func difference(wanted, got []string) string {
	if slices.Equal(wanted, got) {
		return ""
	}
	count := map[string]int{}
	for _, p := range got {
		count[p]++
	}
	var missing, repeated, strange []string
	for _, p := range wanted {
		switch n := count[p]; {
		case n == 0:
			missing = append(missing, p)
		case n > 1:
			repeated = append(repeated, fmt.Sprintf("%s (%d)", p, n))
		}
		delete(count, p)
	}
	for p := range count {
		strange = append(strange, p)
	}
	slices.Sort(strange)
	words := fmt.Sprintf("got %d, want %d", len(got), len(wanted))
	for name, list := range map[string][]string{"missing": missing, "repeated": repeated, "unexpected": strange} {
		if len(list) > 0 {
			words += fmt.Sprintf("; %d %s: %s", len(list), name, strings.Join(list[:min(8, len(list))], ", "))
		}
	}
	if len(missing)+len(repeated)+len(strange) == 0 {
		words += "; out of order: " + strings.Join(got[:min(20, len(got))], ", ")
	}
	return words
}

// firsts drops repetitions.
func firsts(list []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, p := range list {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}
