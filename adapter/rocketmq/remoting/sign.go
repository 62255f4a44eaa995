package remoting

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"log/slog"
	"maps"
	"slices"
)

// Ext fields of a signed request.
const (
	FieldAccessKey = "AccessKey"
	FieldSignature = "Signature"
)

// Credentials sign requests for clusters with access control.
type Credentials struct{ AccessKey, SecretKey string }

// LogValue hides the secret.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.AccessKey + ":***") }

// String hides the secret.
func (c Credentials) String() string { return c.AccessKey + ":***" }

// Empty tells whether there is nothing to sign with.
func (c Credentials) Empty() bool { return c.AccessKey == "" && c.SecretKey == "" }

// Sign returns ext with AccessKey and Signature added; ext itself is not
// changed. The signature is Base64(HmacSHA1(secret, the values of the fields
// sorted by key, AccessKey included, then the body)).
func Sign(c Credentials, ext map[string]string, body []byte) map[string]string {
	signed := make(map[string]string, len(ext)+2)
	maps.Copy(signed, ext)
	signed[FieldAccessKey] = c.AccessKey
	delete(signed, FieldSignature)
	mac := hmac.New(sha1.New, []byte(c.SecretKey))
	for _, k := range slices.Sorted(maps.Keys(signed)) {
		io.WriteString(mac, signed[k])
	}
	mac.Write(body)
	signed[FieldSignature] = base64.StdEncoding.EncodeToString(mac.Sum(nil))
	return signed
}
