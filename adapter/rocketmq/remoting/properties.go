package remoting

import (
	"bytes"
	"iter"
	"strings"
)

// Separators of a message's properties: key \x01 value \x02, repeated. Neither
// may occur in a key or value.
const (
	PropertyNameSeparator  = '\x01'
	PropertyValueSeparator = '\x02'
)

// Property keys the gateway and the broker know.
const (
	PropertyTags             = "TAGS"
	PropertyKeys             = "KEYS"
	PropertyUniqueKey        = "UNIQ_KEY"
	PropertyWait             = "WAIT"
	PropertyMultiDispatch    = "INNER_MULTI_DISPATCH"
	PropertyMultiQueueOffset = "INNER_MULTI_QUEUE_OFFSET"
)

// Properties are the raw properties of a message, looked up where they lie.
type Properties []byte

// Get returns the value of key; if it occurs more than once, the last one, as
// in Java. ok is false if there is none.
func (p Properties) Get(key string) (value string, ok bool) {
	var found []byte
	for k, v := range p.raw() {
		if string(k) == key {
			found, ok = v, true
		}
	}
	return string(found), ok
}

// All yields keys and values in their order.
func (p Properties) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for k, v := range p.raw() {
			if !yield(string(k), string(v)) {
				return
			}
		}
	}
}

// Map returns all properties.
func (p Properties) Map() map[string]string {
	m := make(map[string]string, bytes.Count(p, []byte{PropertyNameSeparator}))
	for k, v := range p.raw() {
		m[string(k)] = string(v)
	}
	return m
}

// raw yields slices of p; an entry without a name separator is left out.
func (p Properties) raw() iter.Seq2[[]byte, []byte] {
	return func(yield func([]byte, []byte) bool) {
		rest := []byte(p)
		for len(rest) > 0 {
			entry := rest
			if i := bytes.IndexByte(rest, PropertyValueSeparator); i >= 0 {
				entry, rest = rest[:i], rest[i+1:]
			} else {
				rest = nil
			}
			i := bytes.IndexByte(entry, PropertyNameSeparator)
			if i < 0 {
				continue
			}
			if !yield(entry[:i], entry[i+1:]) {
				return
			}
		}
	}
}

// AppendProperty appends one entry to dst. The caller has checked key and value
// with ValidProperty.
func AppendProperty(dst []byte, key, value string) []byte {
	dst = append(dst, key...)
	dst = append(dst, PropertyNameSeparator)
	dst = append(dst, value...)
	return append(dst, PropertyValueSeparator)
}

// ValidProperty tells whether key and value can be carried.
func ValidProperty(key, value string) bool {
	return key != "" && !strings.ContainsAny(key, "\x01\x02") && !strings.ContainsAny(value, "\x01\x02")
}
