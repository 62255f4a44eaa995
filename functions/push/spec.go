package push

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"lmqgate/meta/push"
	"lmqgate/meta/topic"
)

// Spec is what a caller says of a target: the body of PUT /v1/push/{name}. Secrets and headers that are left out stay as they are.
type Spec struct {
	Filters     []string           `json:"filters"`
	URL         string             `json:"url"`
	Format      string             `json:"format,omitempty"`
	Secrets     *[]string          `json:"secrets,omitempty"`
	Headers     *map[string]string `json:"headers,omitempty"`
	Username    string             `json:"username,omitempty"`
	Tenant      string             `json:"tenant,omitempty"`
	Concurrency int                `json:"concurrency,omitempty"`
	Timeout     *Duration          `json:"timeout,omitempty"`
	MinBackoff  *Duration          `json:"min_backoff,omitempty"`
	MaxBackoff  *Duration          `json:"max_backoff,omitempty"`
	MaxAge      *Duration          `json:"max_age,omitempty"`
	MaxAttempts *int               `json:"max_attempts,omitempty"`
	DeadLetter  string             `json:"dead_letter,omitempty"`
	Handshake   bool               `json:"handshake,omitempty"`
}

// Duration is a time.Duration that JSON writes as "1m30s".
type Duration time.Duration

// UnmarshalJSON implements json.Unmarshaler.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return errors.New(`a duration is written as "30s" or "5m"`)
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`%.40q is no duration such as "30s" or "5m"`, text)
	}
	*d = Duration(v)
	return nil
}

// MarshalJSON implements json.Marshaler.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// Defaults and bounds of a target.
const (
	defaultConcurrency = 8
	mostConcurrency    = 64
	defaultTimeout     = 30 * time.Second
	mostTimeout        = time.Minute
	defaultMinBackoff  = time.Second
	defaultMaxBackoff  = 5 * time.Minute
	mostBackoff        = time.Hour
	defaultMaxAge      = 24 * time.Hour
	mostAge            = 30 * 24 * time.Hour
	defaultAttempts    = 16 // where there is a dead-letter topic: more than an hour
	mostAttempts       = 1000
	mostFilters        = 32
	mostHeaders        = 32
	mostHeaderBytes    = 8 << 10
	mostSecrets        = 2
	mostUser           = 1024
)

// validName is what a target may be called: it is part of an MQTT client id.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// ours are the headers that the gateway writes itself; prefixes end with "-".
var ours = []string{
	"connection", "content-length", "content-type", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
	"proxy-", "webhook-", "ce-", "mqtt-",
}

// Target makes a target of what was said; old is the one that it replaces, with Rev 0 if there is none. Errors are for the caller.
func (s *Spec) Target(name string, old *push.Target, check func(url string) error) (push.Target, error) {
	t := push.Target{
		Name: name, Filters: s.Filters, URL: s.URL, Format: s.Format, Username: s.Username, Tenant: s.Tenant, Concurrency: s.Concurrency,
		DeadLetter: s.DeadLetter, Handshake: s.Handshake, Secrets: old.Secrets, Headers: old.Headers,
	}
	if t.Format == "" {
		t.Format = push.CloudEventsBinary
	}
	if t.Concurrency == 0 {
		t.Concurrency = defaultConcurrency
	}
	if s.Secrets != nil {
		t.Secrets = *s.Secrets
	}
	if s.Headers != nil {
		t.Headers = *s.Headers
	}
	switch {
	case s.MaxAttempts != nil:
		t.MaxAttempts = *s.MaxAttempts
	case t.DeadLetter != "":
		t.MaxAttempts = defaultAttempts
	}
	for _, d := range []struct {
		name     string
		said     *Duration
		or       time.Duration
		from, to time.Duration
		into     *int64
	}{
		{"timeout", s.Timeout, defaultTimeout, time.Second, mostTimeout, &t.Timeout},
		{"min_backoff", s.MinBackoff, defaultMinBackoff, 10 * time.Millisecond, mostBackoff, &t.MinBackoff},
		{"max_backoff", s.MaxBackoff, max(defaultMaxBackoff, time.Duration(t.MinBackoff)*time.Millisecond), time.Duration(t.MinBackoff) * time.Millisecond, mostBackoff, &t.MaxBackoff},
		{"max_age", s.MaxAge, defaultMaxAge, 0, mostAge, &t.MaxAge},
	} {
		v := d.or
		if d.said != nil {
			v = time.Duration(*d.said)
		}
		if v < d.from || v > d.to {
			return t, fmt.Errorf("%s is from %v to %v", d.name, d.from, d.to)
		}
		*d.into = v.Milliseconds()
	}
	if t.MaxBackoff < t.MinBackoff {
		return t, errors.New("max_backoff is less than min_backoff")
	}
	return t, validate(&t, old, check)
}

// validate says what is wrong with a target.
func validate(t, old *push.Target, check func(url string) error) error {
	if !slices.Contains([]string{push.CloudEventsBinary, push.CloudEventsStructured, push.PubSub, push.Raw}, t.Format) {
		return fmt.Errorf("format is %s, %s, %s or %s", push.CloudEventsBinary, push.CloudEventsStructured, push.PubSub, push.Raw)
	}
	if err := validFilters(t); err != nil {
		return err
	}
	if err := check(t.URL); err != nil {
		return fmt.Errorf("url: %w", err)
	}
	switch {
	case t.Concurrency < 1 || t.Concurrency > mostConcurrency:
		return fmt.Errorf("concurrency is from 1 to %d", mostConcurrency)
	case t.MaxAttempts < 0 || t.MaxAttempts > mostAttempts:
		return fmt.Errorf("max_attempts is from 0, any number, to %d", mostAttempts)
	case len(t.Secrets) > mostSecrets:
		return fmt.Errorf("more than %d secrets: one, and for a while the one that replaces it", mostSecrets)
	case len(t.Username) > mostUser || strings.ContainsRune(t.Username, 0):
		return errors.New("username is of 1,024 bytes at most, without NUL")
	case t.Tenant != "" && !topic.ValidTenant(t.Tenant):
		return errors.New("tenant is 1 to 64 of A-Z, a-z, 0-9, '_' and '-'")
	case old.Rev != 0 && !old.Deleted && (old.Username != t.Username || old.Tenant != t.Tenant):
		return errors.New("username and tenant cannot be changed: delete the target and make another one")
	}
	for _, text := range t.Secrets {
		if _, err := decodeSecret(text); err != nil {
			return err
		}
	}
	return validHeaders(t.Headers)
}

func validFilters(t *push.Target) error {
	if n := len(t.Filters); n == 0 || n > mostFilters {
		return fmt.Errorf("filters are from 1 to %d topic filters", mostFilters)
	}
	if t.DeadLetter != "" && (topic.ValidName(t.DeadLetter) != nil || strings.HasPrefix(t.DeadLetter, "$")) {
		return errors.New("dead_letter is a topic name that does not begin with $")
	}
	for i, filter := range t.Filters {
		_, inner, shared, err := topic.ParseShared(filter)
		if !shared {
			inner = filter
		}
		switch {
		case err != nil || topic.ValidFilter(filter) != nil:
			return fmt.Errorf("%.100q is not a topic filter", filter)
		case slices.Contains(t.Filters[:i], filter):
			return fmt.Errorf("the filter %.100q is given twice", filter)
		case t.DeadLetter != "" && topic.Match(inner, t.DeadLetter):
			return fmt.Errorf("the filter %.100q matches dead_letter: what is given up would come back", filter)
		}
	}
	return nil
}

func validHeaders(headers map[string]string) error {
	if len(headers) > mostHeaders {
		return fmt.Errorf("more than %d headers", mostHeaders)
	}
	size := 0
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		size += len(name) + len(headers[name])
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(headers[name]) {
			return fmt.Errorf("%.100q is not a header, or its value is not one", name)
		}
		lower := strings.ToLower(name)
		for _, one := range ours {
			if lower == one || strings.HasSuffix(one, "-") && strings.HasPrefix(lower, one) {
				return fmt.Errorf("the gateway writes the header %s itself", name)
			}
		}
	}
	if size > mostHeaderBytes {
		return fmt.Errorf("headers of more than %d bytes", mostHeaderBytes)
	}
	return nil
}
