package push

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of a signing key, in bytes (Standard Webhooks).
const (
	leastKey = 24
	mostKey  = 64
)

// decodeSecret reads whsec_ and base64.
func decodeSecret(text string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	if !ok {
		return nil, errors.New("a secret begins with whsec_")
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) < leastKey || len(key) > mostKey {
		return nil, errors.New("a secret is whsec_ and the base64 of 24 to 64 random bytes")
	}
	return key, nil
}

// sign writes the headers of Standard Webhooks 1.0: id, time and, with keys, a signature by each of them, so that the receiver may
// change over from one to the other.
func sign(h http.Header, keys [][]byte, id string, now time.Time, body []byte) {
	at := strconv.FormatInt(now.Unix(), 10)
	h.Set("Webhook-Id", id)
	h.Set("Webhook-Timestamp", at)
	if len(keys) == 0 {
		return
	}
	signatures := make([]string, len(keys))
	for i, key := range keys {
		m := hmac.New(sha256.New, key)
		_, _ = m.Write([]byte(id + "." + at + "."))
		_, _ = m.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
	}
	h.Set("Webhook-Signature", strings.Join(signatures, " "))
}
