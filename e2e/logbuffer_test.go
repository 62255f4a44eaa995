package e2e

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"sync"
)

// listenAddrs are what an instance says in its line "accepting clients".
type listenAddrs struct {
	HTTP string `json:"http"`
	TCP  string `json:"tcp"`
}

// logBuffer keeps all output of an instance.
type logBuffer struct {
	listening chan listenAddrs // one value

	mu    sync.Mutex // protects the fields below
	text  []byte
	found bool
}

func newLogBuffer() *logBuffer { return &logBuffer{listening: make(chan listenAddrs, 1)} }

// Write implements io.Writer.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, p...)
	if !l.found {
		l.look()
	}
	return len(p), nil
}

// look finds the line that tells the addresses. Called under l.mu.
func (l *logBuffer) look() {
	for line := range bytes.Lines(l.text) {
		if !bytes.HasSuffix(line, []byte("\n")) || !bytes.Contains(line, []byte(`"accepting clients"`)) {
			continue
		}
		var at listenAddrs
		if json.Unmarshal(line, &at) == nil {
			l.found = true
			l.listening <- at
			return
		}
	}
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// tail returns the last lines.
func (l *logBuffer) tail(lines int) string {
	all := strings.Split(strings.TrimSpace(l.String()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// after returns up to so many lines from the first that contains word.
func (l *logBuffer) after(word string, lines int) string {
	_, rest, ok := strings.Cut(l.String(), word)
	if !ok {
		return ""
	}
	all := strings.SplitN(word+rest, "\n", lines+1)
	return strings.Join(all[:min(lines, len(all))], "\n")
}

var trouble = regexp.MustCompile(`(?m)^(WARNING: DATA RACE|panic: |fatal error: |unexpected fault address)|http: panic serving`)

// trouble returns what no log may contain, with what follows it.
func (l *logBuffer) trouble() string {
	text := l.String()
	at := trouble.FindStringIndex(text)
	if at == nil {
		return ""
	}
	all := strings.SplitN(text[at[0]:], "\n", 81)
	return strings.Join(all[:min(80, len(all))], "\n")
}
