package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWrongRocketMQTLS(t *testing.T) {
	ca := authority(t)
	tests := []struct{ environ, wrong string }{
		{"ROCKETMQ_TLS=true", ""},
		{"ROCKETMQ_CA_FILE=" + ca, "ROCKETMQ_CA_FILE"},
		{"ROCKETMQ_TLS_SERVER_NAME=mq", "ROCKETMQ_TLS_SERVER_NAME"},
		{"ROCKETMQ_TLS=true ROCKETMQ_CA_FILE=" + ca, ""},
		{"ROCKETMQ_TLS=true ROCKETMQ_CA_FILE=/nonexistent", "ROCKETMQ_CA_FILE"},
		{"ROCKETMQ_TLS=true ROCKETMQ_CERT_FILE=" + ca, "ROCKETMQ_KEY_FILE"},
		{"ROCKETMQ_TLS=true ROCKETMQ_KEY_FILE=" + ca, "ROCKETMQ_CERT_FILE"},
		{"ROCKETMQ_TLS=true ROCKETMQ_CERT_FILE=" + ca + " ROCKETMQ_KEY_FILE=" + ca, "ROCKETMQ_CERT_FILE"},
		{"ROCKETMQ_TLS=true ROCKETMQ_TLS_SERVER_NAME=mq.example", ""},
		{"ROCKETMQ_TLS=true ROCKETMQ_TLS_SERVER_NAME=10.0.0.1", ""},
		{"ROCKETMQ_TLS=true ROCKETMQ_TLS_SERVER_NAME=a/b", "ROCKETMQ_TLS_SERVER_NAME"},
		{"ROCKETMQ_TLS=true ROCKETMQ_TLS_SERVER_NAME=*", "ROCKETMQ_TLS_SERVER_NAME"},
		{"ROCKETMQ_TLS=true ROCKETMQ_TLS_SERVER_NAME=* ROCKETMQ_CA_FILE=" + ca, ""},
		{"ROCKETMQ_TLS=true ROCKETMQ_PRODUCER=client-go", "ROCKETMQ_TLS"},
	}
	for _, tt := range tests {
		t.Run(tt.environ, func(t *testing.T) {
			_, err := load(real(strings.Fields(tt.environ)...), 0)
			if got := strings.Join(names(t, err), " "); got != tt.wrong {
				t.Errorf("wrong variables %q, want %q; error:\n%v", got, tt.wrong, err)
			}
		})
	}
}

// pki is an authority and what it signs, in files.
type pki struct {
	t    *testing.T
	dir  string
	ca   *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // of the authority
}

func newPKI(t *testing.T) *pki {
	t.Helper()
	p := &pki{t: t, dir: t.TempDir()}
	p.ca = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	p.ca, p.key = p.sign(p.ca, p.ca, nil)
	p.file = p.write("ca.pem", "CERTIFICATE", p.ca.Raw)
	return p
}

// sign has signer, or the certificate's own key if it is nil, sign template.
func (p *pki) sign(template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	p.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		p.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		p.t.Fatal(err)
	}
	return cert, key
}

func (p *pki) write(name, kind string, der []byte) string {
	p.t.Helper()
	file := filepath.Join(p.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

// issue writes a certificate for host, valid until end, and its key.
func (p *pki) issue(name, host string, end time.Time) (certFile, keyFile string) {
	p.t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	cert, key := p.sign(template, p.ca, p.key)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.write(name+".pem", "CERTIFICATE", cert.Raw), p.write(name+"-key.pem", "PRIVATE KEY", der)
}

// shake shakes hands with a server that has the certificate and dials it as 127.0.0.1, as remoting does.
func shake(t *testing.T, environ []string, server *tls.Config) error {
	t.Helper()
	cfg, err := load(real(environ...), 0)
	if err != nil {
		t.Fatal(err)
	}
	conf := cfg.RocketMQTLSConfig.Clone()
	if conf.ServerName == "" {
		conf.ServerName = "127.0.0.1"
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	served := make(chan error, 1)
	go func() {
		b, err := ln.Accept()
		if err == nil {
			defer b.Close()
			err = tls.Server(b, server).Handshake()
		}
		served <- err
	}()
	a, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	client := tls.Client(a, conf)
	err = client.Handshake()
	if err == nil {
		_, err = client.Read(make([]byte, 1)) // a server's alert about our certificate comes behind the handshake
	}
	a.Close()
	if refused := <-served; refused != nil || err.Error() != "EOF" {
		return errors.Join(err, refused)
	}
	return nil
}

// TestRocketMQTLSServers: which certificates of servers are accepted.
func TestRocketMQTLSServers(t *testing.T) {
	p, stranger := newPKI(t), newPKI(t)
	ours := "ROCKETMQ_CA_FILE=" + p.file
	tests := []struct {
		name, environ, host string
		by                  *pki
		end                 time.Duration
		wrong               string
	}{
		{"address", ours, "127.0.0.1", p, time.Hour, ""},
		{"another address", ours, "10.0.0.1", p, time.Hour, "10.0.0.1"},
		{"a name where the address is wanted", ours, "mq.example", p, time.Hour, "127.0.0.1"},
		{"the name that is wanted", ours + " ROCKETMQ_TLS_SERVER_NAME=mq.example", "mq.example", p, time.Hour, ""},
		{"another name", ours + " ROCKETMQ_TLS_SERVER_NAME=mq.example", "other.example", p, time.Hour, "mq.example"},
		{"any name", ours + " ROCKETMQ_TLS_SERVER_NAME=*", "other.example", p, time.Hour, ""},
		{"any name, expired", ours + " ROCKETMQ_TLS_SERVER_NAME=*", "other.example", p, -time.Minute, "expired"},
		{"any name, of a stranger", ours + " ROCKETMQ_TLS_SERVER_NAME=*", "other.example", stranger, time.Hour, "unknown authority"},
		{"expired", ours, "127.0.0.1", p, -time.Minute, "expired"},
		{"of a stranger", ours, "127.0.0.1", stranger, time.Hour, "unknown authority"},
		{"of no public authority", "LOG_LEVEL=info", "127.0.0.1", p, time.Hour, "x509"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pair, err := tls.LoadX509KeyPair(tt.by.issue("server", tt.host, time.Now().Add(tt.end)))
			if err != nil {
				t.Fatal(err)
			}
			err = shake(t, append(strings.Fields(tt.environ), "ROCKETMQ_TLS=true"), &tls.Config{Certificates: []tls.Certificate{pair}})
			if tt.wrong == "" && err != nil || tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)) {
				t.Errorf("%v, want %q", err, tt.wrong)
			}
		})
	}
}

// TestRocketMQTLSClient: the client certificate is shown, and read again for the next handshake.
func TestRocketMQTLSClient(t *testing.T) {
	p := newPKI(t)
	pair, err := tls.LoadX509KeyPair(p.issue("server", "127.0.0.1", time.Now().Add(time.Hour)))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(p.ca)
	server := &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	cert, key := p.issue("client", "gateway", time.Now().Add(time.Hour))
	environ := []string{"ROCKETMQ_TLS=true", "ROCKETMQ_CA_FILE=" + p.file}
	if err := shake(t, environ, server); err == nil {
		t.Error("a client without a certificate is let in")
	}
	environ = append(environ, "ROCKETMQ_CERT_FILE="+cert, "ROCKETMQ_KEY_FILE="+key)
	if err := shake(t, environ, server); err != nil {
		t.Error(err)
	}
	cfg, err := load(real(environ...), 0)
	if err != nil {
		t.Fatal(err)
	}
	conf := cfg.RocketMQTLSConfig
	before, err := conf.GetClientCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.issue("client", "gateway", time.Now().Add(2*time.Hour))
	after, err := conf.GetClientCertificate(nil)
	if err != nil || before.Leaf.Equal(after.Leaf) {
		t.Errorf("the renewed certificate is not taken: %v", err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	if _, err := conf.GetClientCertificate(nil); err == nil || !strings.Contains(err.Error(), "ROCKETMQ_CERT_FILE") {
		t.Errorf("without its key: %v", err)
	}
}
