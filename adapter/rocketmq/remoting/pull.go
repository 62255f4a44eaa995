package remoting

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"strconv"
)

// PullRequest is a PullMessage request in the binary serialisation, encoded
// without a map: a gateway re-arms tens of thousands of them.
type PullRequest struct {
	Group   string
	Topic   string
	Broker  string // broker name
	QueueID int32
	Offset  int64
	Max     int32
	// SuspendMillis is how long the broker may hold the pull when there is
	// nothing; 0 asks for an answer at once.
	SuspendMillis int64
}

// System flags of a pull: the broker may suspend it; it carries its own
// subscription, so that no consumer has to be registered.
const (
	pullSuspend      = "6"
	pullUnsuspended  = "4"
	pullSubscription = "*"
)

// fields calls put for each ext field, in the order of their keys, which is
// the order they are signed in.
func (p *PullRequest) fields(num *[24]byte, put func(key string, value []byte)) {
	n := func(v int64) []byte { return strconv.AppendInt(num[:0], v, 10) }
	put("bname", []byte(p.Broker))
	put("commitOffset", n(0))
	put("consumerGroup", []byte(p.Group))
	put("expressionType", []byte("TAG"))
	put("maxMsgNums", n(int64(p.Max)))
	put("queueId", n(int64(p.QueueID)))
	put("queueOffset", n(p.Offset))
	put("subVersion", n(0))
	put("subscription", []byte(pullSubscription))
	put("suspendTimeoutMillis", n(p.SuspendMillis))
	if p.SuspendMillis > 0 {
		put("sysFlag", []byte(pullSuspend))
	} else {
		put("sysFlag", []byte(pullUnsuspended))
	}
	put("topic", []byte(p.Topic))
}

// Append appends the whole frame to dst, signed if cred is not empty.
func (p *PullRequest) Append(dst []byte, opaque int32, cred Credentials) ([]byte, error) {
	start := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = appendBinaryFixed(dst, int16(PullMessage), LanguageGo, ClientVersion, opaque, 0)
	dst = append(dst, 0, 0, 0, 0) // no remark
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0)
	var num [24]byte
	if !cred.Empty() {
		dst = appendField(dst, FieldAccessKey, cred.AccessKey)
		dst = appendField(dst, FieldSignature, p.signature(cred))
	}
	p.fields(&num, func(key string, value []byte) {
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(key)))
		dst = append(dst, key...)
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
		dst = append(dst, value...)
	})
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return closeFrame(dst, start, SerializeBinary, nil)
}

func (p *PullRequest) signature(cred Credentials) string {
	mac := hmac.New(sha1.New, []byte(cred.SecretKey))
	mac.Write([]byte(cred.AccessKey)) // "AccessKey" sorts before all lower case keys
	var num [24]byte
	p.fields(&num, func(_ string, value []byte) { mac.Write(value) })
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
