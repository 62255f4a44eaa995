package config

import (
	"crypto/tls"
	"fmt"
)

// checkRocketMQTLS makes RocketMQTLSConfig. Its files are read at start: a renewed client certificate needs a new instance.
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
	switch cert, key := c.RocketMQCertFile != "", c.RocketMQKeyFile != ""; {
	case cert != key:
		missing := map[bool]string{true: "ROCKETMQ_KEY_FILE", false: "ROCKETMQ_CERT_FILE"}[cert]
		wrong.add(missing, "is not set; give %s", accepts(missing))
	case cert:
		pair, err := tls.LoadX509KeyPair(c.RocketMQCertFile, c.RocketMQKeyFile)
		if err != nil {
			wrong.add("ROCKETMQ_CERT_FILE", "%v; give %s", fmt.Errorf("with ROCKETMQ_KEY_FILE: %w", err), accepts("ROCKETMQ_CERT_FILE"))
			return
		}
		t.Certificates = []tls.Certificate{pair}
	}
	c.RocketMQTLSConfig = t
}
