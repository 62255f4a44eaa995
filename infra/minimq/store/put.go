package store

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
)

// Stored tells where a message went.
type Stored struct {
	ID       string // message id; those of a batch joined by commas
	QueueID  int32
	Offset   int64 // in its queue; of a batch, the first one's
	Physical int64
	Millis   int64 // store time
}

// Put stores one message. Its offsets in the LMQs of INNER_MULTI_DISPATCH become
// its property INNER_MULTI_QUEUE_OFFSET. m.Properties is not changed, m.Body is
// copied.
func (s *Store) Put(m *Message) (Stored, error) {
	s.mu.Lock()
	st, err := s.put(m)
	s.mu.Unlock()
	if err != nil {
		return Stored{}, err
	}
	s.tell()
	return st, nil
}

// PutBatch stores messages of one topic and queue next to each other. As in
// RocketMQ their LMQs get no offsets and are not indexed.
func (s *Store) PutBatch(ms []*Message) (Stored, error) {
	s.mu.Lock()
	st, err := s.putBatch(ms)
	s.mu.Unlock()
	if err != nil {
		return Stored{}, err
	}
	s.tell()
	return st, nil
}

func (s *Store) putBatch(ms []*Message) (Stored, error) {
	total := 0
	for _, m := range ms {
		total += len(m.Body)
	}
	if len(ms) == 0 || total > s.cfg.MaxMessage {
		return Stored{}, fmt.Errorf("batch of %d messages, %d bytes: %w", len(ms), total, ErrIllegal)
	}
	var all Stored
	ids := make([]string, 0, len(ms))
	for i, m := range ms {
		props := EncodeProperties(m.Properties)
		if err := s.check(m, len(props)); err != nil {
			return Stored{}, err
		}
		st, err := s.append(m, props, nil, false)
		if err != nil {
			return Stored{}, err
		}
		if i == 0 {
			all = st
		}
		ids = append(ids, st.ID)
	}
	all.ID = strings.Join(ids, ",")
	return all, nil
}

func (s *Store) put(m *Message) (Stored, error) {
	dispatch := m.Properties[remoting.PropertyMultiDispatch]
	if strings.TrimSpace(dispatch) == "" || !allowsLMQ(m.Topic) {
		props := EncodeProperties(m.Properties)
		if err := s.check(m, len(props)); err != nil {
			return Stored{}, err
		}
		return s.append(m, props, nil, false)
	}
	p := maps.Clone(m.Properties)
	names := javaSplit(dispatch)
	p[remoting.PropertyMultiQueueOffset] = s.lmqOffsets(names)
	props := EncodeProperties(p)
	if err := s.check(m, len(props)); err != nil {
		return Stored{}, err
	}
	refs, bad := parseRefs(names, javaSplit(p[remoting.PropertyMultiQueueOffset]))
	st, err := s.append(m, props, refs, bad)
	if err != nil {
		return Stored{}, err
	}
	for _, name := range names {
		if IsLMQ(name) {
			s.queue(name, 0).next++ // twice for a name that stands there twice
		}
	}
	return st, nil
}

// lmqOffsets joins the next offsets of names; one that is no LMQ has none.
func (s *Store) lmqOffsets(names []string) string {
	offsets := make([]string, len(names))
	for i, name := range names {
		if IsLMQ(name) {
			offsets[i] = strconv.FormatInt(s.queue(name, 0).next, 10)
		}
	}
	return strings.Join(offsets, ",")
}

// parseRefs pairs names and offsets as RocketMQ's dispatcher does. It returns no
// places where the two lists differ in length, and bad where an offset cannot be
// parsed: there the dispatcher fails, again and again.
func parseRefs(names, offsets []string) (refs []lmqRef, bad bool) {
	if len(offsets) == 0 || len(names) != len(offsets) {
		return nil, false
	}
	for i, name := range names {
		offset, err := strconv.ParseInt(offsets[i], 10, 64)
		if err != nil {
			return nil, true
		}
		refs = append(refs, lmqRef{name, offset})
	}
	return refs, false
}

// javaSplit is String.split(","): empty strings at the end are dropped.
func javaSplit(s string) []string {
	parts := strings.Split(s, ",")
	for len(parts) > 0 && parts[len(parts)-1] == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}

// check refuses what RocketMQ refuses.
func (s *Store) check(m *Message, props int) error {
	if s.refuses() {
		return ErrUnavailable
	}
	if len(m.Topic) > math.MaxUint8 || (len(m.Topic) > math.MaxInt8 && !strings.HasPrefix(m.Topic, RetryPrefix)) {
		return fmt.Errorf("topic of %d bytes: %w", len(m.Topic), ErrIllegal)
	}
	if props > maxProperties {
		return fmt.Errorf("properties of %d bytes: %w", props, ErrIllegal)
	}
	if len(m.Body) > s.cfg.MaxMessage {
		return fmt.Errorf("body of %d bytes: %w", len(m.Body), ErrIllegal)
	}
	return nil
}

func (s *Store) refuses() bool {
	if s.closed || s.full {
		return true
	}
	if s.wedged && !s.cfg.FileIndex && s.cfg.Now().Sub(s.wedgedAt) >= wedgeRefuse {
		return true
	}
	// Nothing is dropped before it is indexed, so an index that stands fills the disk.
	return s.cfg.MaxBytes > 0 && s.bytes > s.cfg.MaxBytes && (s.stalled || s.wedged)
}

// append writes m to the log and hands it to the index.
func (s *Store) append(m *Message, props []byte, refs []lmqRef, bad bool) (Stored, error) {
	q := s.queue(m.Topic, m.QueueID)
	now := s.cfg.Now()
	raw, err := encode(m, props, q.next, s.end, now.UnixMilli(), s.cfg.Host)
	if err != nil {
		return Stored{}, fmt.Errorf("%w: %w", ErrIllegal, err)
	}
	dispatches := refs != nil || bad
	if (dispatches && len(raw) > s.cfg.MaxMessage) || len(raw) > s.cfg.MaxMessage+64<<10 {
		return Stored{}, fmt.Errorf("message of %d bytes: %w", len(raw), ErrIllegal)
	}
	r := &record{
		phys: s.end, raw: raw, topic: m.Topic, queueID: m.QueueID, offset: q.next, stored: now.UnixMilli(),
		tagsCode: m.TagsCode, group: m.Properties[propertyOriginGroup], lmqs: refs, bad: bad,
		keys: keysOf(m.Topic, m.Properties),
	}
	if r.tagsCode == 0 {
		r.tagsCode = HashTags(m.Properties[remoting.PropertyTags])
	}
	q.next++
	s.end += int64(len(raw))
	s.log = append(s.log, r)
	s.bytes += r.size()
	s.pending = append(s.pending, r)
	s.index()
	s.trim()
	return Stored{
		ID: messageID(s.cfg.Host, r.phys), QueueID: r.queueID, Offset: r.offset,
		Physical: r.phys, Millis: r.stored,
	}, nil
}
