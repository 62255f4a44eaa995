package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// anyName is the ROCKETMQ_TLS_SERVER_NAME that lets a certificate be for any name.
const anyName = "*"

// errNoCertificate: a server ended the handshake without one.
var errNoCertificate = errors.New("the server has no certificate")

// RocketMQTLS returns how connections to name servers and brokers are encrypted, nil if they are not.
//
// A server's certificate has to be signed by an authority of ROCKETMQ_CA_FILE, or of the system, and has to be for the host
// that is dialed: that of NAMESRV_ADDR, or the address that a broker has told the name server (brokerIP1), mostly an IP
// address. ROCKETMQ_TLS_SERVER_NAME is a name to be found in all of them instead; "*" lets them be for any name, as
// RocketMQ's own clients do, and needs an authority that signs nothing else.
//
// The client certificate is read again for each handshake, so that a renewed one is taken without a restart.
func (c *Config) RocketMQTLS() (*tls.Config, error) {
	if !c.RocketMQUseTLS {
		return nil, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.RocketMQServerName}
	if c.RocketMQCAFile != "" {
		pool, err := caPool(c.RocketMQCAFile)
		if err != nil {
			return nil, fmt.Errorf("ROCKETMQ_CA_FILE: %w", err)
		}
		conf.RootCAs = pool
	}
	if c.RocketMQServerName == anyName {
		conf.ServerName = ""
		conf.InsecureSkipVerify = true // VerifyConnection verifies all but the name
		conf.VerifyConnection = signedBy(conf.RootCAs)
	}
	if c.RocketMQCertFile != "" {
		cert, key := c.RocketMQCertFile, c.RocketMQKeyFile
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(cert, key)
			if err != nil {
				return nil, fmt.Errorf("ROCKETMQ_CERT_FILE: %w", err)
			}
			return &pair, nil
		}
	}
	return conf, nil
}

// signedBy checks a server's certificate as crypto/tls does, but for the name.
func signedBy(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errNoCertificate
		}
		opts := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, c := range s.PeerCertificates[1:] {
			opts.Intermediates.AddCert(c)
		}
		if _, err := s.PeerCertificates[0].Verify(opts); err != nil {
			return fmt.Errorf("verify certificate: %w", err)
		}
		return nil
	}
}

// rocketTLSVars mean something only with ROCKETMQ_TLS=true.
var rocketTLSVars = []string{"ROCKETMQ_CA_FILE", "ROCKETMQ_CERT_FILE", "ROCKETMQ_KEY_FILE", "ROCKETMQ_TLS_SERVER_NAME"}

func (c *Config) checkRocketMQTLS(set map[string]string, wrong *Problems) {
	if !c.RocketMQUseTLS {
		for _, name := range rocketTLSVars {
			if set[name] != "" {
				wrong.add(name, "means nothing without ROCKETMQ_TLS=true; set that, or leave this out")
			}
		}
		return
	}
	if c.EmbeddedRocketMQ {
		wrong.add("ROCKETMQ_TLS", "means nothing without NAMESRV_ADDR: the embedded RocketMQ is within this process")
	}
	if c.RocketMQProducer == "client-go" {
		wrong.add("ROCKETMQ_PRODUCER", "client-go knows no TLS; give direct, which is the default, with ROCKETMQ_TLS=true")
	}
	if c.RocketMQCAFile != "" {
		if _, err := caPool(c.RocketMQCAFile); err != nil {
			wrong.add("ROCKETMQ_CA_FILE", "%v; give %s", err, accepts("ROCKETMQ_CA_FILE"))
		}
	}
	switch cert, key := c.RocketMQCertFile != "", c.RocketMQKeyFile != ""; {
	case cert && !key:
		wrong.add("ROCKETMQ_KEY_FILE", "is not set while ROCKETMQ_CERT_FILE is; give %s", accepts("ROCKETMQ_KEY_FILE"))
	case key && !cert:
		wrong.add("ROCKETMQ_CERT_FILE", "is not set while ROCKETMQ_KEY_FILE is; give %s", accepts("ROCKETMQ_CERT_FILE"))
	case cert:
		if _, err := tls.LoadX509KeyPair(c.RocketMQCertFile, c.RocketMQKeyFile); err != nil {
			wrong.add("ROCKETMQ_CERT_FILE", "with ROCKETMQ_KEY_FILE: %v; give %s", err, accepts("ROCKETMQ_CERT_FILE"))
		}
	}
	switch name := c.RocketMQServerName; {
	case name == anyName && c.RocketMQCAFile == "":
		wrong.add("ROCKETMQ_TLS_SERVER_NAME", "with *, anybody's certificate of a public authority would do; name your own authority in ROCKETMQ_CA_FILE")
	case name != anyName:
		wrong.must(set, "ROCKETMQ_TLS_SERVER_NAME", name == "" || isHost(strings.TrimSuffix(name, ".")))
	}
}
