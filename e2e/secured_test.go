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
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/adapter/packet"
	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/e2e/parts"
)

// selfSigned writes a certificate for 127.0.0.1 and its key as RocketMQ reads them.
func selfSigned(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "rocketmq"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", raw)
}

// right is what a user may do with a resource.
type right struct{ Resource, Actions string }

// leastRights are those of the README's table, for topics that the gateway makes.
func leastRights(topics ...string) []right {
	all := []right{{"Topic:%LMQ%*", "Sub,Get"}, {"Group:%LMQ%*", "Sub,Get,Delete"}}
	for _, topic := range topics {
		all = append(all, right{"Topic:" + topic, "Pub,Sub,Create"})
	}
	return all
}

// administrator speaks to a broker as a user who may do everything.
type administrator struct {
	t    *testing.T
	conn *remoting.Conn
}

func administers(t *testing.T, broker string, s *parts.Security) *administrator {
	t.Helper()
	cfg := remoting.DialConfig{Credentials: remoting.Credentials{AccessKey: s.Root.User, SecretKey: s.Root.Secret}}
	if s.CertFile != "" {
		cfg.TLS = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // of this test
	}
	conn, err := remoting.Dial(t.Context(), broker, cfg)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &administrator{t, conn}
}

// Requests of `mqadmin createUser`, `createAcl` and `updateAcl`.
const (
	authCreateUser = 3001
	authCreateACL  = 3006
	authUpdateACL  = 3007
)

func (a *administrator) do(code int32, ext map[string]string, body any) {
	a.t.Helper()
	text, err := json.Marshal(body)
	must(a.t, err)
	answer, err := a.conn.Do(a.t.Context(), remoting.NewRequest(code, ext, text))
	must(a.t, err)
	if answer.Code != 0 {
		a.t.Fatalf("request %d: %d %s", code, answer.Code, answer.Remark)
	}
}

// user makes a user that has no rights.
func (a *administrator) user(name, password string) {
	a.t.Helper()
	a.do(authCreateUser, map[string]string{"username": name}, map[string]string{"username": name, "password": password, "userType": "Normal"})
}

// grants gives a user rights, by code: the first ones, or more.
func (a *administrator) grants(code int32, name string, rights []right) {
	a.t.Helper()
	var entries []map[string]any
	for _, r := range rights {
		entries = append(entries, map[string]any{"resource": r.Resource, "actions": strings.Split(r.Actions, ","), "decision": "Allow"})
	}
	subject := "User:" + name
	a.do(code, map[string]string{"subject": subject}, map[string]any{
		"subject": subject, "policies": []any{map[string]any{"policyType": "Custom", "entries": entries}},
	})
}

// TestSecuredRocketMQ: a real RocketMQ whose servers take TLS only and whose broker has access control. A user with the rights
// that are documented, and no others, is enough for everything; what is wrong is named. The matrix has both versions, and access
// control without TLS, which rocketmq-client-go can do too.
func TestSecuredRocketMQ(t *testing.T) {
	t.Parallel()
	needs(t, "LMQGATE_TEST_NAMESRV")
	if !isMatrix() {
		securedRocketMQ(t, parts.RocketMQVersion, true)
		return
	}
	for _, version := range []string{parts.RocketMQVersion, parts.RocketMQFloor} {
		for _, withTLS := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s TLS %v", version, withTLS), func(t *testing.T) { securedRocketMQ(t, version, withTLS) })
		}
	}
}

func securedRocketMQ(t *testing.T, version string, withTLS bool) {
	binary, err := binaries.plain()
	must(t, err)
	s := &parts.Security{Root: &parts.Login{User: "rocketmq", Secret: "12345678"}}
	login := []string{"ROCKETMQ_ACCESS_KEY=gate", "ROCKETMQ_SECRET_KEY=87654321"}
	if withTLS {
		s.CertFile, s.KeyFile = selfSigned(t)
		login = append(login, "ROCKETMQ_TLS=true", "ROCKETMQ_CA_FILE="+s.CertFile)
	}
	other, _ := selfSigned(t)
	rocket := parts.RocketMQ(t, parts.RocketMQOptions{Version: version, Heap: "512m", Secured: s, Conf: []string{"fileReservedTime=168"}})
	admin := administers(t, rocket.Brokers[0].Addr, s)
	admin.user("gate", "87654321")
	least := leastRights("MQTT_OTHER", "few")
	admin.grants(authCreateACL, "gate", least)

	p := &patient{binary: binary, env: append([]string{
		"REDIS_URL=redis://" + miniredis.RunT(t).Addr(), "NAMESRV_ADDR=" + rocket.Addr, "AUTH=anonymous", "STATUS_INTERVAL=1s",
	}, login...)}
	p.finds(t, "broker.rights", "OK", "", nil)
	p.finds(t, "broker.roundtrip", "OK", "", nil)
	enough(t, binary, p.env)

	type wrong struct{ env, check, remedy string }
	cases := map[string]wrong{
		"another secret": {"ROCKETMQ_SECRET_KEY=wrong-wrong", "broker.reach", "ROCKETMQ_SECRET_KEY is not the password"},
		"another user":   {"ROCKETMQ_ACCESS_KEY=nobody", "broker.reach", "no user has the name"},
	}
	if withTLS {
		cases["another authority"] = wrong{"ROCKETMQ_CA_FILE=" + other, "nameserver.reach", "ROCKETMQ_CA_FILE"}
		cases["another name"] = wrong{"ROCKETMQ_TLS_SERVER_NAME=rocketmq.test", "nameserver.reach", "ROCKETMQ_TLS_SERVER_NAME"}
		cases["no TLS"] = wrong{"ROCKETMQ_TLS=false", "nameserver.reach", "ROCKETMQ_TLS=true"}
	} else {
		cases["TLS that nobody set up"] = wrong{"ROCKETMQ_TLS=true", "nameserver.reach", "tls.server.certPath"} // RocketMQ makes itself a certificate
		enough(t, binary, append(slices.Clone(p.env), "ROCKETMQ_PRODUCER=client-go", "REDIS_PREFIX=other:"))
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			env := []string{c.env}
			if c.env == "ROCKETMQ_TLS=false" {
				env = append(env, "ROCKETMQ_CA_FILE=")
			}
			p.finds(t, c.check, "FAIL", c.remedy, env, "--no-writes")
		})
	}
	t.Run("a right is missing", func(t *testing.T) {
		admin.user("less", "87654321")
		admin.grants(authCreateACL, "less", least[1:])
		login := []string{"ROCKETMQ_ACCESS_KEY=less", "REDIS_PREFIX=less:"}
		p.finds(t, "broker.rights", "FAIL", "ROCKETMQ_ACCESS_KEY lacks the right", login)
		g := parts.Gateway(t, binary, "gateway that lacks a right", append(slices.Clone(p.env), login...)...)
		eventually(t, soon, func() error { return logged(g, "the user of ROCKETMQ_ACCESS_KEY lacks the right") })
		admin.grants(authUpdateACL, "less", least[:1])
		eventually(t, 2*soon, g.Ready)
		d := connected(t, "less", packet.V5, g.TCP)
		must(t, d.subscribe(1, "few/less"))
		d.publish("few/less", 1, "granted", nil)
		if !d.gets(soon, 1, with("granted")) {
			t.Error("the message does not come")
		}
	})
}

// logged reports whether a gateway has said something.
func logged(g *parts.GatewayServer, words string) error {
	log, err := g.All()
	if err == nil && !strings.Contains(log, words) {
		err = fmt.Errorf("not said yet: %s", words)
	}
	return err
}
