package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
)

// anyName is the ROCKETMQ_TLS_SERVER_NAME that lets certificates be for any name.
const anyName = "*"

// errNoCertificate: a server ended the handshake without one.
var errNoCertificate = errors.New("the server has no certificate")

// checkRocketMQTLS makes RocketMQTLSConfig. The authorities are read at start, the client's certificate again for each
// handshake, so that a renewed one is taken without a restart.
//
// A server's certificate has to be for the host that is dialed: that of NAMESRV_ADDR, or the address that a broker has told
// the name server (brokerIP1), mostly an IP address. ROCKETMQ_TLS_SERVER_NAME is a name to be found in all of them instead;
// anyName is for an authority that signs nothing but servers of this cluster. RocketMQ's own clients never look at names.
func (c *Config) checkRocketMQTLS(set map[string]string, wrong *Problems) {
	if !c.RocketMQTLS {
		for _, name := range []string{"ROCKETMQ_CA_FILE", "ROCKETMQ_TLS_SERVER_NAME", "ROCKETMQ_CERT_FILE", "ROCKETMQ_KEY_FILE"} {
			if set[name] != "" {
				wrong.add(name, "means nothing without ROCKETMQ_TLS=true")
			}
		}
		return
	}
	switch {
	case c.EmbeddedRocketMQ:
		wrong.add("ROCKETMQ_TLS", "means nothing without NAMESRV_ADDR; NAMESRV_ADDR takes %s", accepts("NAMESRV_ADDR"))
		return
	case c.RocketMQProducer == "client-go":
		wrong.add("ROCKETMQ_TLS", "rocketmq-client-go has no TLS; leave ROCKETMQ_PRODUCER out")
		return
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.RocketMQServerName}
	if c.RocketMQCAFile != "" {
		pool, err := caPool(c.RocketMQCAFile)
		if err != nil {
			wrong.add("ROCKETMQ_CA_FILE", "%v; give %s", err, accepts("ROCKETMQ_CA_FILE"))
		}
		t.RootCAs = pool
	}
	c.checkServerName(set, wrong, t)
	switch cert, key := c.RocketMQCertFile != "", c.RocketMQKeyFile != ""; {
	case cert != key:
		missing := map[bool]string{true: "ROCKETMQ_KEY_FILE", false: "ROCKETMQ_CERT_FILE"}[cert]
		wrong.add(missing, "is not set; give %s", accepts(missing))
	case cert:
		own := keyPair{c.RocketMQCertFile, c.RocketMQKeyFile}
		if _, err := own.show(nil); err != nil {
			wrong.add("ROCKETMQ_CERT_FILE", "%v; give %s", err, accepts("ROCKETMQ_CERT_FILE"))
			return
		}
		t.GetClientCertificate = own.show
	}
	c.RocketMQTLSConfig = t
}

func (c *Config) checkServerName(set map[string]string, wrong *Problems, t *tls.Config) {
	switch {
	case c.RocketMQServerName == "":
	case c.RocketMQServerName != anyName:
		wrong.must(set, "ROCKETMQ_TLS_SERVER_NAME", isHost(c.RocketMQServerName))
	case c.RocketMQCAFile == "":
		wrong.add("ROCKETMQ_TLS_SERVER_NAME", "with *, anybody's certificate of a public authority would do; name your own in ROCKETMQ_CA_FILE")
	default:
		t.ServerName = ""
		t.InsecureSkipVerify = true // VerifyConnection verifies all but the name
		t.VerifyConnection = signedBy(t.RootCAs)
	}
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

// keyPair names the files of a certificate and its key.
type keyPair struct{ cert, key string }

// show is a tls.Config's GetClientCertificate.
func (k keyPair) show(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(k.cert, k.key)
	if err != nil {
		return nil, fmt.Errorf("ROCKETMQ_CERT_FILE with ROCKETMQ_KEY_FILE: %w", err)
	}
	return &pair, nil
}
