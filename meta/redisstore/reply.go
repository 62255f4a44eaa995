package redisstore

import (
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"lmqgate/meta/session"
)

// Codes that begin the answers of session scripts.
const (
	codeFenced = 0 // or: nothing to do
	codeDone   = 1
	codeFormat = 2
)

// reply reads the array that a script returned, item by item. After the first error every read returns zero.
type reply struct {
	items []any
	err   error
}

func newReply(cmd *redis.Cmd) *reply {
	items, err := cmd.Slice()
	return &reply{items: items, err: err}
}

// code reads the first item: nil when the script did its work.
func (r *reply) code() error {
	code := r.uint()
	if r.err != nil {
		return r.err
	}
	return codeError(code)
}

func codeError(code uint64) error {
	switch code {
	case codeDone:
		return nil
	case codeFenced:
		return session.ErrFenced
	case codeFormat:
		return session.ErrFormat
	}
	return fmt.Errorf("unexpected script answer %d", code)
}

func (r *reply) next() any {
	if r.err != nil {
		return nil
	}
	if len(r.items) == 0 {
		r.err = fmt.Errorf("script answer is too short")
		return nil
	}
	item := r.items[0]
	r.items = r.items[1:]
	return item
}

func (r *reply) string() string {
	switch v := r.next().(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case nil:
		return ""
	default:
		r.fail(v)
		return ""
	}
}

func (r *reply) uint() uint64 {
	text := r.string()
	if r.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		r.err = fmt.Errorf("read script answer: %w", err)
	}
	return n
}

// optional reads a number that may be absent: 0 then.
func (r *reply) optional() uint64 {
	text := r.string()
	if text == "" || r.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		r.err = fmt.Errorf("read script answer: %w", err)
	}
	return n
}

// due reads a score of due, nil when it is absent.
func (r *reply) due(clientID string) *redis.Z {
	at := r.optional()
	if at == 0 || r.err != nil {
		return nil
	}
	return &redis.Z{Score: float64(at), Member: clientID}
}

func (r *reply) strings() []string {
	items, ok := r.next().([]any)
	if !ok {
		r.fail(items)
		return nil
	}
	all := make([]string, len(items))
	for i, item := range items {
		if all[i], ok = item.(string); !ok {
			r.fail(item)
			return nil
		}
	}
	return all
}

func (r *reply) fail(v any) {
	if r.err == nil {
		r.err = fmt.Errorf("script answer has an unexpected %T", v)
	}
}

// millis reads a time in milliseconds.
func (r *reply) millis() time.Time { return time.UnixMilli(int64(r.uint())) }
