package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// maxKeys bounds a key set.
const maxKeys = 100

// StaticKeys are keys that do not change.
type StaticKeys []jose.JSONWebKey

// Find implements Keys. Keys that have no id fit any.
func (s StaticKeys) Find(_ context.Context, kid string) ([]jose.JSONWebKey, error) {
	var found []jose.JSONWebKey
	for _, k := range s {
		if kid == "" || k.KeyID == "" || k.KeyID == kid {
			found = append(found, k)
		}
	}
	return found, nil
}

// ParseKeys reads public keys: a JWK Set (RFC 7517 section 5), a JWK, or PEM blocks (PUBLIC KEY, RSA PUBLIC KEY, CERTIFICATE).
// Of a set, keys that no signature can be checked with are left out; none left is an error.
func ParseKeys(text []byte) (StaticKeys, error) {
	if block, _ := pem.Decode(text); block != nil {
		return parsePEM(text)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
		Type string            `json:"kty"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("neither PEM nor JSON")
	}
	if set.Type != "" {
		set.Keys = []json.RawMessage{text}
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("more than %d keys", maxKeys)
	}
	var keys StaticKeys
	for _, raw := range set.Keys {
		var k jose.JSONWebKey
		if k.UnmarshalJSON(raw) == nil && usable(&k) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no public key for RS, PS, ES or EdDSA in it")
	}
	return keys, nil
}

// usable reports whether a key is one to check signatures with.
func usable(k *jose.JSONWebKey) bool {
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}

func parsePEM(text []byte) (StaticKeys, error) {
	var keys StaticKeys
	for len(keys) < maxKeys {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		var key any
		var err error
		switch block.Type {
		case "PUBLIC KEY":
			key, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			key, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case "CERTIFICATE":
			var c *x509.Certificate
			if c, err = x509.ParseCertificate(block.Bytes); err == nil {
				key = c.PublicKey
			}
		default:
			return nil, fmt.Errorf("a PEM block %q: public keys and certificates only", block.Type)
		}
		k := jose.JSONWebKey{Key: key}
		if err != nil || !usable(&k) {
			return nil, fmt.Errorf("PEM block %d is no public key for RS (2048 bits at least), PS, ES or EdDSA", len(keys)+1)
		}
		keys = append(keys, k)
	}
	return keys, nil
}
