package cli

import (
	"crypto/hmac"
	"crypto/sha1" // what RocketMQ MQTT's clients do; HMAC does not rest on its collision resistance
	"encoding/base64"
)

// hmacPassword is the password of AUTH=hmac: Base64(HMAC-SHA1(key = secret, message = client id)).
func hmacPassword(secret, clientID string) string {
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(clientID))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
