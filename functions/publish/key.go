package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"lmqgate/functions/web"
	"lmqgate/meta/message"
)

// KeyHeader says which requests are repetitions of one.
const KeyHeader = "Idempotency-Key"

// maxKey bounds an Idempotency-Key, in bytes.
const maxKey = 255

// key names a request of a caller. Nobody else's has the same name.
type key struct{ name string }

// key reads the header; nil without one. part tells the messages of a batch apart.
func (h *Handler) key(r *http.Request, c *web.Caller, part string) (*key, error) {
	said := r.Header.Values(KeyHeader)
	if len(said) == 0 {
		return nil, nil
	}
	if len(said) > 1 || said[0] == "" || len(said[0]) > maxKey {
		return nil, web.Refuse(http.StatusBadRequest, "%s is one text of 1 to %d bytes", KeyHeader, maxKey)
	}
	if h.cfg.Requests == nil {
		return nil, web.Refuse(http.StatusBadRequest, "%s is not supported here", KeyHeader)
	}
	return &key{digest(c.Tenant, c.Method, c.Username, c.ClientID, said[0], part)}, nil
}

// hash tells the content of a request from others.
func (k *key) hash(m *message.Message) string {
	return digest(string(message.AppendBinary(nil, &message.Message{
		Topic: m.Topic, Payload: m.Payload, QoS: m.QoS, Retain: m.Retain, Properties: m.Properties,
	})))
}

// digest of texts is such that no other texts have it.
func digest(texts ...string) string {
	sum := sha256.New()
	for _, t := range texts {
		n := len(t)
		sum.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		sum.Write([]byte(t))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// kept is an outcome as it is kept: a result or a problem.
type kept struct {
	Result  *Result      `json:"result,omitempty"`
	Problem *web.Problem `json:"problem,omitempty"`
}

func encodeResult(r *Result, err error) []byte {
	k := kept{Result: r}
	if p, ok := err.(*web.Problem); ok {
		k.Problem = p
	}
	b, _ := json.Marshal(k) // of texts and numbers
	return b
}

func decodeResult(b []byte) (*Result, error) {
	var k kept
	if err := json.Unmarshal(b, &k); err != nil {
		return nil, err
	}
	if k.Problem != nil {
		return nil, k.Problem
	}
	return k.Result, nil
}
