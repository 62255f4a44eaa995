package auth

import (
	"context"
	"crypto/x509"
	"fmt"

	"lmqgate/meta/access"
)

// MTLS takes the user name from the client's certificate, which TLS has verified.
type MTLS struct {
	From string // "cn", "dns", "uri", "email": the subject's common name, or the first name of that kind
}

var _ access.Verifier = MTLS{}

// Verify implements access.Verifier. A login without a certificate is ignored.
func (m MTLS) Verify(_ context.Context, l *access.Login) (access.Identity, error) {
	if len(l.Certificate) == 0 {
		return access.Identity{}, access.ErrIgnore
	}
	name := m.name(l.Certificate[0])
	if !validUser(name) {
		return access.Identity{}, fmt.Errorf("the certificate has no name of kind %s, or one that is none of MQTT's: %w", m.From, access.ErrDenied)
	}
	return access.Identity{Username: name, Method: "mtls", Expires: l.Certificate[0].NotAfter}, nil
}

func (m MTLS) name(c *x509.Certificate) string {
	switch {
	case m.From == "cn":
		return c.Subject.CommonName
	case m.From == "dns" && len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case m.From == "uri" && len(c.URIs) > 0:
		return c.URIs[0].String()
	case m.From == "email" && len(c.EmailAddresses) > 0:
		return c.EmailAddresses[0]
	}
	return ""
}
