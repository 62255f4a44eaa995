package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

//go:generate go run ./envtable ../../README.md

// The table stands in the README between these two lines.
const (
	tableBegin = "<!-- env:begin -->"
	tableEnd   = "<!-- env:end -->"
)

// ErrNoMarkers means that a document has no place for the table.
var ErrNoMarkers = errors.New("no line " + tableBegin + " followed by a line " + tableEnd)

// Table returns the README's table of variables, in markdown.
func Table() string {
	defaults := fieldDefaults()
	var b strings.Builder
	b.WriteString("| variable | default | meaning | in RocketMQ MQTT it was |\n|---|---|---|---|\n")
	for _, v := range vars {
		shown := v.Default
		if shown == "" {
			shown = "`" + defaults[v.Name] + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", v.Name, shown, v.Meaning, v.Java)
	}
	return b.String()
}

// Rewrite returns the document with the current table between its markers, and ErrNoMarkers if it has none.
func Rewrite(doc string) (string, error) {
	head, rest, ok := strings.Cut(doc, tableBegin)
	if !ok {
		return "", ErrNoMarkers
	}
	_, tail, ok := strings.Cut(rest, tableEnd)
	if !ok {
		return "", ErrNoMarkers
	}
	return head + tableBegin + "\n\n" + Table() + "\n" + tableEnd + tail, nil
}

// fieldDefaults returns the defaults in the tags of Config, by variable.
func fieldDefaults() map[string]string {
	out := make(map[string]string)
	for field := range reflect.TypeFor[Config]().Fields() {
		if v, ok := field.Tag.Lookup("envDefault"); ok {
			out[field.Tag.Get("env")] = v
		}
	}
	return out
}
