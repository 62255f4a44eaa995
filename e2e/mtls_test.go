package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t}
	c := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, KeyUsage: x509.KeyUsageCertSign})
	a.cert, a.key = c.Leaf, c.PrivateKey.(*ecdsa.PrivateKey)
	return a
}

// issue signs a certificate for 127.0.0.1; the first one by itself.
func (a *authority) issue(c *x509.Certificate) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(a.t, err)
	c.SerialNumber, c.BasicConstraintsValid = big.NewInt(time.Now().UnixNano()), true
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(24 * time.Hour)
	}
	c.NotBefore, c.IPAddresses = time.Now().Add(-48*time.Hour), []net.IP{net.IPv4(127, 0, 0, 1)}
	c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	must(a.t, err)
	leaf, err := x509.ParseCertificate(der)
	must(a.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// write writes a certificate and its key as PEM files.
func (a *authority) write(c tls.Certificate) (certFile, keyFile string) {
	a.t.Helper()
	dir := a.t.TempDir()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	must(a.t, err)
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	must(a.t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}), 0o600))
	must(a.t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	return certFile, keyFile
}

// tlsAddr is where an instance listens for TLS.
func (i *instance) tlsAddr() string {
	for line := range strings.Lines(i.log.String()) {
		var at struct{ Msg, TLS string }
		if json.Unmarshal([]byte(line), &at) == nil && at.Msg == "accepting clients" {
			return at.TLS
		}
	}
	i.t.Fatal("the log does not say where TLS is")
	return ""
}

// TestMTLS: the user is who the certificate says, by subject or by an alternative name; what CONNECT says counts for nothing,
// and without a certificate that counts nobody gets in.
func TestMTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	caFile, _ := ca.write(tls.Certificate{Certificate: [][]byte{ca.cert.Raw}, PrivateKey: ca.key})
	certFile, keyFile := ca.write(ca.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "gateway"}}))
	f := prepare(t, mini, "AUTH=mtls", "MQTT_TLS_ADDR=127.0.0.1:0", "TLS_CERT_FILE="+certFile, "TLS_KEY_FILE="+keyFile, "TLS_CLIENT_CA_FILE="+caFile,
		`ACL_RULES=[{"permission":"allow","action":"all","topic":"%u/#"}]`)
	roots := x509.NewCertPool()
	roots.AddCert(ca.cert)
	dials := func(addr string, certs ...tls.Certificate) *wire {
		t.Helper()
		raw, err := net.Dial("tcp", addr)
		must(t, err)
		w := &wire{conn: tls.Client(raw, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", Certificates: certs}), v: packet.V5, changed: make(chan struct{})}
		go w.read()
		t.Cleanup(w.cut)
		return w
	}
	urn, err := url.Parse("urn:device:7")
	must(t, err)
	device := ca.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "by-subject"}, URIs: []*url.URL{urn},
	})
	stranger := newAuthority(t).issue(&x509.Certificate{Subject: pkix.Name{CommonName: "by-subject"}})
	expired := ca.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "by-subject"}, NotAfter: time.Now().Add(-time.Hour)})
	nameless := ca.issue(&x509.Certificate{Subject: pkix.Name{Organization: []string{"nobody"}}})
	for from, user := range map[string]string{"cn": "by-subject", "uri": "urn:device:7"} {
		i := f.add("AUTH_MTLS_USERNAME=" + from)
		i.ready()
		w := dials(i.tlsAddr(), device)
		w.connect(t, packet.Connect{ClientID: "device-" + from, CleanStart: true, HasUsername: true, Username: "somebody-else"})
		w.send(&packet.Subscribe{PacketID: 1, Filters: []packet.Subscription{{Filter: user + "/#"}, {Filter: "somebody-else/#"}}})
		if codes := want[*packet.Suback](t, w).Codes; codes[0] != packet.Success || codes[1] != packet.NotAuthorized {
			t.Errorf("%s: SUBACK %v", from, codes)
		}
		w = dials(i.tlsAddr(), nameless)
		w.send(&packet.Connect{Version: packet.V5, ClientID: "nameless-" + from, CleanStart: true, HasUsername: true, Username: user})
		if code := want[*packet.Connack](t, w).Code; code != packet.BadUserNameOrPassword {
			t.Errorf("%s, a certificate without such a name: CONNACK %v", from, code)
		}
		if from != "cn" {
			continue
		}
		for name, certs := range map[string][]tls.Certificate{"none": nil, "of a stranger": {stranger}, "expired": {expired}} {
			w := dials(i.tlsAddr(), certs...)
			w.send(&packet.Connect{Version: packet.V5, ClientID: "device", CleanStart: true})
			if got := w.wantEnd(t); len(got) != 0 {
				t.Errorf("certificate %s: got %v", name, got)
			}
		}
		if code := loginCode(t, i.tcp, user, ""); code != packet.BadUserNameOrPassword {
			t.Errorf("over TCP, without TLS: CONNACK %v", code)
		}
	}
}
