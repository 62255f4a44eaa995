package config

import (
	"fmt"
	"strings"
)

// Problem is one variable whose value cannot be used.
type Problem struct {
	Var  string // the variable's name
	Text string // what is wrong and what is accepted; never a secret's value
}

// Problems are all wrong variables of one environment, in the order of the README's table.
type Problems []Problem

// Error writes one problem a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Var + ": " + one.Text
	}
	return strings.Join(lines, "\n")
}

// add notes a problem with the named variable.
func (p *Problems) add(name, format string, args ...any) {
	*p = append(*p, Problem{Var: name, Text: fmt.Sprintf(format, args...)})
}

// reject notes that the value is not among those that vars.go says the variable accepts.
func (p *Problems) reject(name, value string) {
	p.add(name, "%s is not accepted; give %s", show(name, value), accepts(name))
}

// show quotes a value for an error, at a bounded length, and hides that of a secret.
func show(name, value string) string {
	const most = 80
	switch {
	case isSecret(name):
		return "the value (not shown)"
	case len(value) > most:
		return fmt.Sprintf("%q...", value[:most])
	default:
		return fmt.Sprintf("%q", value)
	}
}

// sorted puts the problems into the order of the README's table, keeping the order within a variable.
func (p Problems) sorted() Problems {
	out := make(Problems, 0, len(p))
	for _, v := range vars {
		for _, one := range p {
			if one.Var == v.Name {
				out = append(out, one)
			}
		}
	}
	return out
}
