package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/infra/minimq"
)

// TestSecuredRocketMQ: with TLS and signed requests the instance serves; with what is wrong it says which variable is.
func TestSecuredRocketMQ(t *testing.T) {
	cert, root := certificate(t, time.Now().Add(-time.Hour))
	_, other := certificate(t, time.Now().Add(-time.Hour))
	old, oldRoot := certificate(t, time.Now().Add(-48*time.Hour))
	pemFile := func(t *testing.T, c *x509.Certificate) string {
		file := filepath.Join(t.TempDir(), "ca.pem")
		must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}), 0o600))
		return file
	}
	keys := []string{"ROCKETMQ_ACCESS_KEY=gateway", "ROCKETMQ_SECRET_KEY=12345678"}
	for _, tt := range []struct {
		name         string
		cert         tls.Certificate
		root         *x509.Certificate // nil: ROCKETMQ_TLS is off
		environ      []string
		check, words string // "": it serves
	}{
		{"all is right", cert, root, keys, "", ""},
		{"another secret", cert, root, []string{"ROCKETMQ_ACCESS_KEY=gateway", "ROCKETMQ_SECRET_KEY=87654321"}, "login refused", "ROCKETMQ_SECRET_KEY"},
		{"another user", cert, root, []string{"ROCKETMQ_ACCESS_KEY=nobody", "ROCKETMQ_SECRET_KEY=12345678"}, "login refused", "ROCKETMQ_ACCESS_KEY"},
		{"no keys", cert, root, nil, "login refused", "ROCKETMQ_ACCESS_KEY"},
		{"another authority", cert, other, keys, "certificate not accepted", "ROCKETMQ_CA_FILE"},
		{"another name", cert, root, append([]string{"ROCKETMQ_TLS_SERVER_NAME=rocketmq.test"}, keys...), "certificate not accepted", "ROCKETMQ_TLS_SERVER_NAME"},
		{"expired", old, oldRoot, keys, "certificate not accepted", "not valid now"},
		{"TLS is off", cert, nil, keys, "not reachable", "wants TLS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			mq := minimq.RunWith(t, minimq.Config{TLS: &tls.Config{Certificates: []tls.Certificate{tt.cert}}, Users: []minimq.User{{Name: "gateway", Secret: "12345678", Super: true}}})
			environ := append([]string{env("REDIS_URL", "redis://"+miniredis.RunT(t).Addr()), env("NAMESRV_ADDR", mq.Addr())}, tt.environ...)
			if tt.root != nil {
				environ = append(environ, "ROCKETMQ_TLS=true", env("ROCKETMQ_CA_FILE", pemFile(t, tt.root)))
			}
			g, log := launched(t, environ...)
			if tt.check == "" {
				serves(t, g)
				return
			}
			finds(t, g, rocketCheck, tt.check)
			says(t, log, tt.words)
			refuses(t, g)
		})
	}
}
