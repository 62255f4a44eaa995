// Package arrows checks which of our packages may import which, so that the folders keep their meaning:
//
//	main -> infra -> functions, adapter -> meta
//
// A package is tied to its folder by its import path only; what lies outside the module is not looked at.
package arrows

import (
	"fmt"
	"slices"
	"strings"
)

// Package is a package as `go list -json` describes it.
type Package struct {
	ImportPath   string
	Imports      []string // of its own files
	TestImports  []string // of test files in the package
	XTestImports []string // of test files of package _test
}

// Violation is an import against the arrows.
type Violation struct {
	From, To string // import paths below the module; From "." is the main package
	Rule     string // what is broken
	Test     bool   // only a test file does it
}

func (v Violation) String() string {
	files := ""
	if v.Test {
		files = " (in a test)"
	}
	return fmt.Sprintf("%s imports %s%s: %s", v.From, v.To, files, v.Rule)
}

// shared are the packages of adapter that its siblings may import.
var shared = []string{"adapter/packet", "adapter/rocketmq/remoting"}

// wires are what e2e speaks to the built binary and to RocketMQ with: codecs and clients, nothing of the gateway itself; and the
// contract with RocketMQ applications, which is data.
var wires = []string{"adapter/packet", "adapter/rocketmq", "adapter/rocketmq/remoting", "infra/minimq", "meta/metatest"}

// forTests are what test files of package _test may import against the arrows: a RocketMQ in this process, and the real
// servers.
var forTests = []string{"infra/minimq", "e2e/parts"}

// Check returns every import against the arrows among the packages of module, in the order given.
func Check(module string, packages []Package) []Violation {
	var out []Violation
	for _, p := range packages {
		from, ours := within(module, p.ImportPath)
		if !ours {
			continue
		}
		note := func(imports []string, test bool, allowed []string) {
			for _, path := range imports {
				to, ours := within(module, path)
				if !ours || slices.Contains(allowed, to) {
					continue
				}
				if rule := broken(from, to); rule != "" {
					out = append(out, Violation{From: from, To: to, Rule: rule, Test: test})
				}
			}
		}
		note(p.Imports, false, nil)
		note(p.TestImports, true, nil)
		note(p.XTestImports, true, forTests)
	}
	return out
}

// broken returns the rule that forbids from to import to, "" if none does.
func broken(from, to string) string {
	if from == to { // a _test package imports what it tests
		return ""
	}
	target := area(to)
	switch area(from) {
	case "meta":
		if target != "meta" {
			return "meta imports nothing of ours"
		}
	case "functions":
		if target != "functions" && target != "meta" {
			return "functions imports only meta; it meets adapter in meta/message and meta/access"
		}
	case "adapter":
		return brokenByAdapter(from, to)
	case "infra":
		if target != "infra" && target != "functions" && target != "adapter" && target != "meta" {
			return "infra imports only infra, functions, adapter and meta"
		}
	case ".":
		if target != "infra" {
			return "main imports only infra"
		}
	case "e2e":
		if target != "e2e" && !slices.Contains(wires, to) {
			return "e2e looks at the built binary from outside"
		}
	default:
		return "this folder has no place among the arrows"
	}
	return ""
}

// brokenByAdapter: siblings meet through an interface declared by its user, and are wired in infra/gateway.
func brokenByAdapter(from, to string) string {
	switch {
	case area(to) == "meta", area(to) == "adapter" && sibling(from) == sibling(to), slices.Contains(shared, to):
		return ""
	case area(to) == "adapter":
		return "siblings in adapter do not import each other, except " + strings.Join(shared, " and ")
	}
	return "adapter imports only adapter and meta"
}

// within returns the path below the module, "." for its root.
func within(module, path string) (string, bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// area is the first folder, sibling the first two.
func area(path string) string {
	first, _, _ := strings.Cut(path, "/")
	return first
}

func sibling(path string) string {
	first, rest, _ := strings.Cut(path, "/")
	second, _, _ := strings.Cut(rest, "/")
	return first + "/" + second
}
