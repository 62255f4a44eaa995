package transport

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
)

// authority signs certificates for tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	a.cert, a.key = a.sign("test authority", nil)
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) sign(name string, parent *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        parent == nil, BasicConstraintsValid: true,
	}
	signer := a.key
	if parent == nil {
		parent, signer = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) issue(name string) tls.Certificate {
	cert, key := a.sign(name, a.cert)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// openTLS adds a TLS listener to a gate and returns its address.
func openTLS(t *testing.T, g *gate) string {
	t.Helper()
	ln, ended := listen(t), make(chan error)
	go func() { ended <- g.ServeTLS(t.Context(), ln) }()
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func mutualTLS(a *authority) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{a.issue("gate")}, ClientCAs: a.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

func TestTLSWithClientCertificate(t *testing.T) {
	a := newAuthority(t)
	g := open(t, Config{TLS: mutualTLS(a)}, func(c *Conn) {
		if c.Kind() != "tls" || c.TLS() == nil || c.TLS().PeerCertificates[0].Subject.CommonName != "device-7" {
			t.Errorf("%s connection with %+v", c.Kind(), c.TLS())
		}
		buf := make([]byte, 5)
		_, _ = io.ReadFull(c, buf)
		_, _ = c.Write(buf)
		_ = c.CloseWith(StatusGoingAway, "")
	})
	client := &tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1"}
	addr := openTLS(t, g)

	refused := tls.Client(dialTCP(t, addr), client)
	if _, err := refused.Read(make([]byte, 1)); err == nil {
		t.Error("let in without a certificate")
	}
	g.empty()
	if n := g.count("lmqgate_connections_refused_total", "tls", refusedTLS); n != 1 {
		t.Errorf("%v refusals", n)
	}

	client.Certificates = []tls.Certificate{a.issue("device-7")}
	conn := tls.Client(dialTCP(t, addr), client)
	mustWrite(t, conn, "hello")
	if all, err := io.ReadAll(conn); string(all) != "hello" || err != nil { // an end without close_notify is an error
		t.Errorf("%q, %v", all, err)
	}
}

// The PROXY header stands before the TLS handshake.
func TestTLSBehindProxyProtocol(t *testing.T) {
	a := newAuthority(t)
	g := open(t, Config{TLS: mutualTLS(a), ProxyProtocol: true, TrustedProxies: prefixes("127.0.0.1/32")}, func(c *Conn) {
		_, _ = io.WriteString(c, c.RemoteAddr().String())
	})
	raw := dialTCP(t, openTLS(t, g))
	mustWrite(t, raw, v2(0x21, 0x11, v2IPv4))
	conn := tls.Client(raw, &tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{a.issue("x")}})
	if all, err := io.ReadAll(conn); string(all) != "198.51.100.7:4660" || err != nil {
		t.Errorf("%q, %v", all, err)
	}
}

// Who connects and says nothing does not keep others from their handshake, and is cut by the connect timeout.
func TestSilentTLSClient(t *testing.T) {
	a := newAuthority(t)
	g := open(t, Config{TLS: mutualTLS(a), ConnectTimeout: time.Hour}, func(c *Conn) {
		c.Established()
		echo(c)
	})
	addr := openTLS(t, g)
	silent := dialTCP(t, addr)
	conn := tls.Client(dialTCP(t, addr),
		&tls.Config{RootCAs: a.pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{a.issue("x")}})
	mustWrite(t, conn, "hello")
	mustRead(t, conn, "hello")
	g.Each(func(c *Conn) bool {
		if c.TLS() == nil { // and asking has not waited for the handshake
			c.connectTimedOut()
		}
		return true
	})
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("still open")
	}
	if n := g.count("lmqgate_connections_refused_total", "tls", ""); n != 1 {
		t.Errorf("%v refusals", n)
	}
}

func TestServeTLSNeedsConfiguration(t *testing.T) {
	if err := New(Config{}, echo).ServeTLS(t.Context(), listen(t)); err == nil {
		t.Error("no error")
	}
}

// A WebSocket whose TLS ends in this process.
func TestSecureWebSocket(t *testing.T) {
	big := make([]byte, 100_000)
	s := New(Config{Registerer: prometheus.NewRegistry()}, func(c *Conn) {
		if c.Kind() != "ws" || c.TLS() == nil {
			t.Errorf("%s connection with %+v", c.Kind(), c.TLS())
		}
		if err := c.Ping(); err != nil {
			t.Error(err)
		}
		_, _ = c.Write(big)
		_ = c.CloseWith(StatusTryAgainLater, "later")
	})
	web := httptest.NewTLSServer(s)
	defer web.Close()
	c, _, err := websocket.Dial(t.Context(), web.URL, &websocket.DialOptions{
		HTTPClient: web.Client(), Subprotocols: []string{"mqtt"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.SetReadLimit(-1)
	if _, p, err := c.Read(t.Context()); err != nil || len(p) != len(big) {
		t.Errorf("%d bytes, %v", len(p), err)
	}
	if code, reason := closeCode(t, c); code != StatusTryAgainLater || reason != "later" {
		t.Errorf("closed with %d %q", code, reason)
	}
	if err := s.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}
