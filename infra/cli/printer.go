package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session"
)

// printer is the subscriber's session: it prints each message and lets only printed ones be acknowledged, so that
// neither a full disk nor the end by --count loses a message of a kept session.
type printer struct {
	session.SessionManager
	out     io.Writer
	limit   int // messages to print; 0 is no limit
	verbose bool
	printed atomic.Int64

	refuse bool          // the message in hand was not printed; read and written by paho's delivery goroutine only
	done   chan struct{} // closed when the limit is reached and acknowledged, or printing failed
	once   sync.Once
	err    error // why printing failed; read after done
}

func newPrinter(inner session.SessionManager, out io.Writer, limit int, verbose bool) *printer {
	return &printer{SessionManager: inner, out: out, limit: limit, verbose: verbose, done: make(chan struct{})}
}

// received prints a message. paho calls it, and then Ack, from one goroutine.
func (p *printer) received(m paho.PublishReceived) (bool, error) {
	if p.refuse = p.finished(); p.refuse {
		return true, nil
	}
	if _, err := io.WriteString(p.out, line(m.Packet, p.verbose)); err != nil {
		p.refuse = true
		p.once.Do(func() { p.err = fmt.Errorf("print message: %w", err); close(p.done) })
		return true, nil
	}
	p.printed.Add(1)
	return true, nil
}

// Ack acknowledges what was printed. The end comes after the acknowledgement has been written.
func (p *printer) Ack(pb *packets.Publish) error {
	if p.refuse {
		return nil
	}
	err := p.SessionManager.Ack(pb)
	if p.finished() {
		p.once.Do(func() { close(p.done) })
	}
	return err
}

func (p *printer) finished() bool { return p.limit > 0 && p.printed.Load() >= int64(p.limit) }

// line is how a message is printed.
func line(m *paho.Publish, verbose bool) string {
	var b strings.Builder
	b.WriteString(plain(m.Topic))
	b.WriteByte(' ')
	b.WriteString(plain(string(m.Payload)))
	if verbose {
		fmt.Fprintf(&b, " (qos %d", m.QoS)
		if m.Retain {
			b.WriteString(", retained")
		}
		if m.Duplicate() {
			b.WriteString(", duplicate")
		}
		b.WriteByte(')')
	}
	b.WriteByte('\n')
	return b.String()
}

// plain returns text as it is if it fits on a line and can do a terminal no harm, else quoted.
func plain(s string) string {
	if !utf8.ValidString(s) {
		return strconv.Quote(s)
	}
	for _, r := range s {
		if r != '\t' && !unicode.IsPrint(r) {
			return strconv.Quote(s)
		}
	}
	return s
}
