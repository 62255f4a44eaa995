package config

import (
	"fmt"
	"log/slog"
)

// redacted is what a Secret shows of itself.
const redacted = "REDACTED"

// Secret is a string that does not show itself in logs, errors, %v or JSON. Reveal gives the value to the one
// place that needs it.
type Secret string

var (
	_ slog.LogValuer = Secret("")
	_ fmt.Formatter  = Secret("")
)

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns "REDACTED", or "" for an empty secret, so that a log still tells set from unset.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format writes String whatever the verb, %#v and %x included.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText keeps the secret out of JSON and of every other encoding that asks for text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
