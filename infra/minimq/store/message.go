package store

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
)

// Reasons why a message was not stored.
var (
	// ErrIllegal: topic, body or properties are too long (code 13).
	ErrIllegal = errors.New("message illegal")
	// ErrUnavailable: the disk is full, the index is wedged, or the store is
	// closed (code 14).
	ErrUnavailable = errors.New("store refuses writes")
)

// Topic names with a meaning of their own.
const (
	LMQPrefix     = "%LMQ%"
	RetryPrefix   = "%RETRY%"
	ScheduleTopic = "SCHEDULE_TOPIC_XXXX"
	systemPrefix  = "rmq_sys_"
)

// Properties that the store reads.
const (
	propertyOriginGroup = "ORIGIN_GROUP"
	maxProperties       = 1<<15 - 1
)

// Message is what is stored.
type Message struct {
	Topic      string
	QueueID    int32
	Flag       int32
	SysFlag    int32
	BornMillis int64
	BornHost   netip.AddrPort
	Reconsume  int32
	Body       []byte
	Properties map[string]string
	// TagsCode overrides the hash of the tags in the index (delayed messages
	// carry their due time there). 0: the hash.
	TagsCode int64
}

// record is one stored message.
type record struct {
	phys     int64
	raw      []byte
	topic    string
	queueID  int32
	offset   int64
	stored   int64 // ms
	tagsCode int64
	group    string // propertyOriginGroup
	lmqs     []lmqRef
	bad      bool // its dispatch list cannot be indexed
	indexed  bool
	keys     []string // topic#key
}

// lmqRef is one place of a record in an LMQ.
type lmqRef struct {
	name   string
	offset int64
}

func (r *record) size() int64 { return int64(len(r.raw)) + overhead }

// allowsLMQ tells whether messages of topic are dispatched to LMQs at all.
func allowsLMQ(topic string) bool {
	return !strings.HasPrefix(topic, RetryPrefix) && !strings.HasPrefix(topic, systemPrefix) && topic != ScheduleTopic
}

// IsLMQ tells whether name is an LMQ's.
func IsLMQ(name string) bool { return strings.HasPrefix(name, LMQPrefix) }

// EncodeProperties returns properties as they are stored, keys in order.
func EncodeProperties(p map[string]string) []byte {
	n := 0
	for k, v := range p {
		n += len(k) + len(v) + 2
	}
	out := make([]byte, 0, n)
	for _, k := range slices.Sorted(maps.Keys(p)) {
		out = remoting.AppendProperty(out, k, p[k])
	}
	return out
}

// encode returns m as a commit log message. Offsets and time are filled in.
func encode(m *Message, props []byte, offset, phys, stored int64, host netip.AddrPort) ([]byte, error) {
	return remoting.AppendMessage(nil, &remoting.Message{
		Topic: m.Topic, QueueID: m.QueueID, QueueOffset: offset, PhysicalOffset: phys,
		Flag: m.Flag, SysFlag: m.SysFlag, BornMillis: m.BornMillis, StoreMillis: stored,
		BornHost: m.BornHost, StoreHost: host, Reconsume: m.Reconsume,
		Body: m.Body, Properties: props,
	})
}

// messageID is the store's address and the physical offset, in hex.
func messageID(host netip.AddrPort, phys int64) string {
	b := host.Addr().Unmap().AsSlice()
	b = binary.BigEndian.AppendUint32(b, uint32(host.Port()))
	b = binary.BigEndian.AppendUint64(b, uint64(phys))
	return strings.ToUpper(hex.EncodeToString(b))
}

// HashTags is Java's String.hashCode, widened: what the index keeps of the tags.
func HashTags(tags string) int64 {
	var h int32
	for _, r := range tags {
		if r > 0xFFFF {
			r -= 0x10000
			h = 31*h + int32(0xD800+(r>>10))
			r = 0xDC00 + (r & 0x3FF)
		}
		h = 31*h + r
	}
	return int64(h)
}

// keysOf lists the key index entries of a message.
func keysOf(topic string, p map[string]string) []string {
	var out []string
	if u := p[remoting.PropertyUniqueKey]; u != "" {
		out = append(out, topic+"#"+u)
	}
	for k := range strings.SplitSeq(p[remoting.PropertyKeys], " ") {
		if k != "" {
			out = append(out, topic+"#"+k)
		}
	}
	return out
}

// ID is the message id of the message at a physical offset.
func (s *Store) ID(phys int64) string { return messageID(s.cfg.Host, phys) }
