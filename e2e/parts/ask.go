package parts

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"
)

// Request codes of the RocketMQ remoting protocol that need no fields.
const (
	codeBrokerConfig = 26
	codeClusterInfo  = 106
)

// maxAnswer bounds what a server on this machine may answer.
const maxAnswer = 16 << 20

// ask sends one request without fields to a RocketMQ server and returns the body of its answer. It speaks the wire itself,
// so that tests of our own client do not start with it.
//
//	4 B length of what follows | 1 B 0 (JSON) + 3 B header length | header | body
func ask(addr string, code int) ([]byte, error) { return askBy(addr, code, nil, nil) }

// askBy is ask of a server that wants TLS, if there is a way, and with it requests that are signed, if it has a user.
func askBy(addr string, code int, way *Security, login *Login) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * time.Second))
	if way != nil && way.CertFile != "" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // the question is whether it answers
	}
	header := fmt.Appendf(nil, `{"code":%d,"language":"GO","version":401,"opaque":1,"flag":0%s}`, code, login.signed())
	frame := binary.BigEndian.AppendUint32(nil, uint32(4+len(header)))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(header)))
	if _, err := conn.Write(append(frame, header...)); err != nil {
		return nil, fmt.Errorf("ask %s: %w", addr, err)
	}
	return answer(conn)
}

// signed are the fields of a request that has no others: the signature is over their values in the order of their names.
func (l *Login) signed() string {
	if l == nil {
		return ""
	}
	m := hmac.New(sha1.New, []byte(l.Secret))
	m.Write([]byte(l.User))
	return fmt.Sprintf(`,"extFields":{"AccessKey":%q,"Signature":%q}`, l.User, base64.StdEncoding.EncodeToString(m.Sum(nil)))
}

func answer(r io.Reader) ([]byte, error) {
	var lengths [8]byte
	if _, err := io.ReadFull(r, lengths[:]); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	whole, head := binary.BigEndian.Uint32(lengths[:4]), binary.BigEndian.Uint32(lengths[4:])&0xFFFFFF
	if whole > maxAnswer || whole < 4+head {
		return nil, fmt.Errorf("read answer: lengths %d and %d", whole, head)
	}
	frame := make([]byte, whole-4)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	var header struct {
		Code   int
		Remark string
	}
	if err := json.Unmarshal(frame[:head], &header); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if header.Code != 0 {
		return nil, fmt.Errorf("answer %d %s", header.Code, header.Remark)
	}
	return frame[head:], nil
}
