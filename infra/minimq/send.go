package minimq

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq/store"
)

// Properties the broker adds or reads.
const (
	propRegion     = "MSG_REGION"
	propTrace      = "TRACE_ON"
	propCluster    = "CLUSTER"
	propDelay      = "DELAY"
	propRealTopic  = "REAL_TOPIC"
	propRealQueue  = "REAL_QID"
	propRetryTopic = "RETRY_TOPIC"
	propOriginID   = "ORIGIN_MESSAGE_ID"
	propPopCheck   = "POP_CK"
	propPrepared   = "TRAN_MSG"
	region         = "DefaultRegion"
)

// sendHeader is the header of a send in either spelling.
type sendHeader struct {
	topic, like   string
	likeQueues    int
	queue         int32
	sysFlag, flag int32
	born          int64
	properties    string
	reconsume     int32
	unit, batch   bool
	maxReconsume  int64 // -1: not given
}

func parseSend(req *remoting.Command, a *args) sendHeader {
	if req.Code == remoting.SendMessage {
		return sendHeader{
			topic: a.str("topic"), like: a.ext["defaultTopic"],
			likeQueues: int(a.opt("defaultTopicQueueNums", 0)), queue: a.int32("queueId"), sysFlag: a.int32("sysFlag"),
			born: a.int("bornTimestamp"), flag: a.int32("flag"), properties: a.ext["properties"],
			reconsume: int32(a.opt("reconsumeTimes", 0)), unit: a.bool("unitMode"), batch: a.bool("batch"),
			maxReconsume: a.opt("maxReconsumeTimes", -1),
		}
	}
	return sendHeader{
		topic: a.str("b"), like: a.ext["c"], likeQueues: int(a.opt("d", 0)), queue: a.int32("e"),
		sysFlag: a.int32("f"), born: a.int("g"), flag: a.int32("h"), properties: a.ext["i"],
		reconsume: int32(a.opt("j", 0)), unit: a.bool("k"), batch: a.bool("m"), maxReconsume: a.opt("l", -1),
	}
}

// send stores a message or a batch.
func (b *Broker) send(c *conn, req *remoting.Command, a *args) *remoting.Command {
	h := parseSend(req, a)
	if h.topic == "" {
		a.fail("topic")
	}
	if len(req.Body) == 0 {
		a.fail("body")
	}
	if a.bad != "" {
		return nil
	}
	t, bad := b.checkSend(c, h)
	if bad != nil {
		return bad
	}
	if h.queue < 0 {
		h.queue = int32(b.random(max(t.write, 1)))
	}
	if h.batch {
		return b.sendBatch(c, req, h)
	}
	return b.sendOne(c, req, h)
}

// checkSend finds or makes the topic and refuses what cannot be sent.
func (b *Broker) checkSend(c *conn, h sendHeader) (topicConfig, *remoting.Command) {
	if why := validateTopic(h.topic); why != "" {
		return topicConfig{}, b.refuse(codeInvalidParameter, why)
	}
	if noSend(h.topic) {
		return topicConfig{}, b.refuse(remoting.NoPermission, "Sending message to topic["+h.topic+"] is forbidden.")
	}
	t, found := b.topics.get(h.topic)
	if !found {
		sysFlag := 0
		if h.unit {
			sysFlag = 1
		}
		t, found = b.topics.inherit(h.topic, h.like, h.likeQueues, sysFlag)
		if !found && strings.HasPrefix(h.topic, store.RetryPrefix) {
			t, found = b.makeTopic(h.topic, 1), true
		}
		if !found {
			return t, b.refuse(remoting.TopicNotExist, "topic["+h.topic+"] not exist, apply first please!"+seeFAQ)
		}
		b.names.register(b.name, b.announced(), []topicConfig{t})
	}
	if int(h.queue) >= max(t.write, t.read) {
		return t, b.refuse(codeInvalidParameter, fmt.Sprintf("request queueId[%d] is illegal, %s Producer: %s", h.queue, t, c.remote))
	}
	return t, nil
}

// refuse is an answer to a send: it carries region and trace switch, whatever it says.
func (b *Broker) refuse(code int32, remark string) *remoting.Command {
	return &remoting.Command{Code: code, Remark: remark, Ext: map[string]string{propRegion: region, propTrace: "true"}}
}

func (b *Broker) sendOne(c *conn, req *remoting.Command, h sendHeader) *remoting.Command {
	props := parseProperties(h.properties)
	delete(props, propPopCheck)
	m := &store.Message{
		Topic: h.topic, QueueID: h.queue, Flag: h.flag, SysFlag: h.sysFlag, BornMillis: h.born,
		BornHost: c.remote, Reconsume: h.reconsume, Body: req.Body, Properties: props,
	}
	if bad := b.divertDead(m, h); bad != nil {
		return bad
	}
	if props[propPrepared] == "true" {
		return b.refuse(remoting.NoPermission, "the broker[127.0.0.1] sending transaction message is forbidden")
	}
	props[propRegion], props[propTrace], props[propCluster] = region, "true", b.cfg.Cluster
	if props[remoting.PropertyUniqueKey] == "" {
		props[remoting.PropertyUniqueKey] = uniqueID()
	}
	st, err := b.put(m)
	if err != nil {
		return b.putError(err)
	}
	return b.stored(st, h.queue, props[remoting.PropertyUniqueKey])
}

// stored is the good answer to a send.
func (b *Broker) stored(st store.Stored, queue int32, unique string) *remoting.Command {
	resp := b.refuse(remoting.Success, "")
	resp.Ext["msgId"] = st.ID
	resp.Ext["queueId"] = itoa(queue)
	resp.Ext["queueOffset"] = itoa(st.Offset)
	if unique != "" {
		resp.Ext["transactionId"] = unique
	}
	return resp
}

func (b *Broker) putError(err error) *remoting.Command {
	switch {
	case errors.Is(err, store.ErrIllegal):
		return b.refuse(remoting.MessageIllegal, "the message is illegal, maybe msg body or properties length not matched. "+
			"msg body length limit 4194304B, msg properties length limit 32KB.")
	case errors.Is(err, store.ErrUnavailable):
		return b.refuse(remoting.ServiceNotAvailable, "service not available now. It may be caused by one of the following reasons: "+
			"the broker's disk is full [CL:  0.99 CQ:  0.99 INDEX:  0.99], messages are put to the slave, message store has been shut down, etc.")
	case errors.Is(err, errTimer):
		return b.refuse(remoting.MessageIllegal, "timer message illegal, the delay time should not be bigger than the max delay 259200000ms; "+
			"or if set del msg, the delay time should be bigger than the current time")
	}
	return b.refuse(remoting.SystemError, "UNKNOWN_ERROR")
}

// sendBatch stores the messages of a batch. Each is
// 4 B size | 4 B magic | 4 B CRC | 4 B flag | 4 B + body | 2 B + properties.
func (b *Broker) sendBatch(c *conn, req *remoting.Command, h sendHeader) *remoting.Command {
	if strings.HasPrefix(h.topic, store.RetryPrefix) {
		return b.refuse(remoting.MessageIllegal, "batch request does not support retry group "+h.topic)
	}
	var list []*store.Message
	for rest := req.Body; len(rest) > 0; {
		m, n, err := parseBatched(rest)
		if err != nil {
			return answer(remoting.SystemError, err.Error())
		}
		m.Topic, m.QueueID, m.SysFlag = h.topic, h.queue, h.sysFlag
		m.BornMillis, m.BornHost, m.Reconsume = h.born, c.remote, h.reconsume
		list = append(list, m)
		rest = rest[n:]
	}
	st, err := b.store.PutBatch(list)
	if err != nil {
		return b.putError(err)
	}
	return b.stored(st, h.queue, parseProperties(h.properties)[remoting.PropertyUniqueKey])
}

func parseBatched(rest []byte) (*store.Message, int, error) {
	be := binary.BigEndian
	if len(rest) < 22 {
		return nil, 0, errors.New("batch: message too short")
	}
	size, body := uint64(be.Uint32(rest)), uint64(be.Uint32(rest[16:]))
	if size > uint64(len(rest)) || body > size || 20+body+2 > size {
		return nil, 0, errors.New("batch: body exceeds message")
	}
	props := uint64(be.Uint16(rest[20+body:]))
	if 22+body+props > size {
		return nil, 0, errors.New("batch: properties exceed message")
	}
	return &store.Message{
		Flag: int32(be.Uint32(rest[12:])), Body: rest[20 : 20+body],
		Properties: parseProperties(string(rest[22+body : 22+body+props])),
	}, int(size), nil
}

// parseProperties reads properties as Java's MessageDecoder does: entries
// without a key or a value are left out.
func parseProperties(s string) map[string]string {
	m := map[string]string{}
	for entry := range strings.SplitSeq(s, string(remoting.PropertyValueSeparator)) {
		key, value, found := strings.Cut(entry, string(remoting.PropertyNameSeparator))
		if found && key != "" && value != "" {
			m[key] = value
		}
	}
	return m
}

// uniqueID makes the UNIQ_KEY of a message that came without one.
func uniqueID() string {
	var raw [16]byte
	rand.Read(raw[:])
	return strings.ToUpper(hex.EncodeToString(raw[:]))
}

func (t topicConfig) String() string {
	return "TopicConfig [topicName=" + t.name + ", readQueueNums=" + strconv.Itoa(t.read) +
		", writeQueueNums=" + strconv.Itoa(t.write) + ", perm=" + permString(t.perm) + ", topicFilterType=SINGLE_TAG" +
		", topicSysFlag=" + strconv.Itoa(t.sysFlag) + ", order=" + strconv.FormatBool(t.order) + ", attributes={}]"
}

func permString(p int) string {
	out := []byte("---")
	if p&remoting.PermRead != 0 {
		out[0] = 'R'
	}
	if p&remoting.PermWrite != 0 {
		out[1] = 'W'
	}
	if p&permInherit != 0 {
		out[2] = 'X'
	}
	return string(out)
}
