// Command envtable writes the table of environment variables into a document that has the markers for it.
package main

import (
	"errors"
	"fmt"
	"os"

	"lmqgate/infra/config"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: envtable README.md")
		os.Exit(2)
	}
	if err := rewrite(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "envtable:", err)
		os.Exit(1)
	}
}

// rewrite brings the file's table up to date. A file without markers is left alone: it has no table.
func rewrite(file string) error {
	before, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read document: %w", err)
	}
	after, err := config.Rewrite(string(before))
	switch {
	case errors.Is(err, config.ErrNoMarkers):
		fmt.Fprintf(os.Stderr, "envtable: %s: %v\n", file, err)
		return nil
	case err != nil:
		return err
	case after == string(before):
		return nil
	}
	if err := os.WriteFile(file, []byte(after), 0o644); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	return nil
}
