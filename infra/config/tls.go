package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// checkTLS reads the files that are named, so that a wrong one is found at start and not at the first handshake.
// Listeners read them again themselves, since certificates are renewed while the gateway runs.
func (c *Config) checkTLS(set map[string]string, wrong *Problems) {
	if c.MQTTTLSAddr != "" {
		for _, name := range []string{"TLS_CERT_FILE", "TLS_KEY_FILE"} {
			if set[name] == "" {
				wrong.add(name, "is not set while MQTT_TLS_ADDR is; give %s", accepts(name))
			}
		}
	}
	if c.TLSCertFile != "" && c.TLSKeyFile != "" {
		if _, err := tls.LoadX509KeyPair(c.TLSCertFile, c.TLSKeyFile); err != nil {
			wrong.add("TLS_CERT_FILE", "with TLS_KEY_FILE: %v; give %s", err, accepts("TLS_CERT_FILE"))
		}
	}
	if c.TLSClientCAFile != "" {
		if _, err := caPool(c.TLSClientCAFile); err != nil {
			wrong.add("TLS_CLIENT_CA_FILE", "%v; give %s", err, accepts("TLS_CLIENT_CA_FILE"))
		}
	}
}

// caPool reads a PEM file with certificates.
func caPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("read authorities: no certificate in the file")
	}
	return pool, nil
}
