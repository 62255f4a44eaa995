package auth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"lmqgate/meta/access"
)

// Bounds of tokens.
const (
	maxToken     = 8 << 10 // bytes
	maxTried     = 16      // keys tried for a token that names none
	defaultSkew  = 30 * time.Second
	minHMACBytes = 32 // of a secret: as long as the shortest hash, RFC 7518 section 3.2
)

// Keys finds public keys that tokens may be signed with. Implementations are safe for concurrent use.
type Keys interface {
	// Find returns the keys with a key id, or all with "". access.ErrUnavailable: they cannot be had now.
	Find(ctx context.Context, kid string) ([]jose.JSONWebKey, error)
}

// JWTConfig says which tokens are accepted and what their claims mean. At least one of Secret and Keys is set.
type JWTConfig struct {
	Secret   []byte   // for HS256, HS384, HS512; nil: such tokens are refused
	Keys     []Keys   // for RS, PS, ES and EdDSA
	Issuers  []string // one of which the claim iss has to be; empty: any
	Audience []string // one of which has to be in the claim aud; empty: any

	UsernameClaim string // default "sub"
	ClientIDClaim string // a text or a list of texts, one of which the client id has to be; "": any client id
	TenantClaim   string // "": no tenants
	ACLClaim      string // rules as access.ParseRules reads them; "": none
	Cookie        string // that has the token, for browsers; "": none

	Skew time.Duration // between the clocks of issuers and ours; default 30 s, negative: none
	Now  func() time.Time
}

// JWT verifies JSON Web Tokens (RFC 7519, compact and signed). The algorithm has to be one of the key's kind: what the token
// says of its key beside the key id (jwk, jku, x5c, x5u) is not looked at, and "none" is not accepted.
type JWT struct {
	cfg  JWTConfig
	algs []jose.SignatureAlgorithm
}

var (
	_ access.Verifier = (*JWT)(nil)
	_ access.Enhanced = (*JWT)(nil)
)

// Algorithms by kind of key.
func hmacAlgs() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.HS256, jose.HS384, jose.HS512}
}

func publicAlgs() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

// NewJWT returns a verifier.
func NewJWT(cfg JWTConfig) (*JWT, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.UsernameClaim == "" {
		cfg.UsernameClaim = "sub"
	}
	switch {
	case cfg.Skew == 0:
		cfg.Skew = defaultSkew
	case cfg.Skew < 0:
		cfg.Skew = 0
	}
	j := &JWT{cfg: cfg}
	if len(cfg.Secret) > 0 {
		if len(cfg.Secret) < minHMACBytes {
			return nil, fmt.Errorf("a secret for tokens has %d bytes at least", minHMACBytes)
		}
		j.algs = append(j.algs, hmacAlgs()...)
	}
	if len(cfg.Keys) > 0 {
		j.algs = append(j.algs, publicAlgs()...)
	}
	if len(j.algs) == 0 {
		return nil, errors.New("neither a secret nor keys for tokens")
	}
	return j, nil
}

// Verify implements access.Verifier. A login without a token is ignored.
func (j *JWT) Verify(ctx context.Context, l *access.Login) (access.Identity, error) {
	token, ok := j.token(l)
	if !ok {
		return access.Identity{}, access.ErrIgnore
	}
	return j.identify(ctx, l, token)
}

func badToken(format string, args ...any) error {
	return fmt.Errorf("token: "+format+": %w", append(args, access.ErrDenied)...)
}

// identify checks a token. Errors never have any of it in them.
func (j *JWT) identify(ctx context.Context, l *access.Login, token string) (access.Identity, error) {
	if len(token) > maxToken {
		return access.Identity{}, badToken("longer than %d bytes", maxToken)
	}
	signed, err := jose.ParseSignedCompact(token, j.algs)
	if err != nil || len(signed.Signatures) != 1 {
		return access.Identity{}, badToken("malformed, or signed with an algorithm that is not accepted")
	}
	payload, err := j.open(ctx, signed)
	if err != nil {
		return access.Identity{}, err
	}
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return access.Identity{}, badToken("its claims are no JSON object")
	}
	return j.accept(l, c)
}

// open verifies the signature and returns the claims.
func (j *JWT) open(ctx context.Context, signed *jose.JSONWebSignature) ([]byte, error) {
	head := signed.Signatures[0].Protected
	alg := jose.SignatureAlgorithm(head.Algorithm)
	if slices.Contains(hmacAlgs(), alg) {
		payload, err := signed.Verify(j.cfg.Secret)
		if err != nil {
			return nil, badToken("wrong signature")
		}
		return payload, nil
	}
	var unavailable error
	tried := 0
	for _, source := range j.cfg.Keys {
		keys, err := source.Find(ctx, head.KeyID)
		if err != nil {
			unavailable = err
		}
		for i := range keys {
			if tried++; tried > maxTried {
				return nil, badToken("names no key, and there are many")
			}
			if !fits(&keys[i], alg) {
				continue
			}
			if payload, err := signed.Verify(keys[i].Key); err == nil {
				return payload, nil
			}
		}
	}
	if unavailable != nil {
		return nil, unavailable
	}
	return nil, badToken("signed with no key that is known")
}

// fits reports whether a key may have made a signature of an algorithm.
func fits(k *jose.JSONWebKey, alg jose.SignatureAlgorithm) bool {
	if k.Algorithm != "" && k.Algorithm != string(alg) || k.Use != "" && k.Use != "sig" {
		return false
	}
	switch key := k.Key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048 && (strings.HasPrefix(string(alg), "RS") || strings.HasPrefix(string(alg), "PS"))
	case *ecdsa.PublicKey:
		return map[int]jose.SignatureAlgorithm{256: jose.ES256, 384: jose.ES384, 521: jose.ES512}[key.Params().BitSize] == alg
	case ed25519.PublicKey:
		return alg == jose.EdDSA
	}
	return false // a symmetric or private one is none to publish
}
