package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"

	"lmqgate/adapter/rocketmq"
)

// Right is what ACL 2.0 allows a user, as `mqadmin createAcl -r RESOURCE -a ACTIONS -d Allow` does.
type Right struct{ Resource, Actions string }

// LeastRights are what the user of ROCKETMQ_ACCESS_KEY needs, with RocketMQ topics that are made by the gateway where they do
// not exist: FALLBACK_TOPIC and those of first levels. README.md says what each is for.
func LeastRights(topics ...string) []Right {
	all := []Right{{"Topic:%LMQ%*", "Sub,Get"}, {"Group:%LMQ%*", "Sub,Get,Delete"}}
	for _, t := range topics {
		all = append(all, Right{"Topic:" + t, "Pub,Sub,Create"})
	}
	return all
}

// rocketRights are LeastRights in words.
const rocketRights = "Sub,Get on Topic:%LMQ%*; Sub,Get,Delete on Group:%LMQ%*; Pub,Sub and, unless TOPIC_AUTO_CREATE=false, " +
	"Create on FALLBACK_TOPIC and on the topics of first levels; Sub,Get on RELAY_TOPICS; Pub,Sub,Create on %SYS_MQTT with PRESENCE_EVENTS"

// loginHints are answers of access control that knows nobody with these keys.
var loginHints = []hint{
	{text: "username cannot be null", remedy: "the brokers ask for a login: set ROCKETMQ_ACCESS_KEY and ROCKETMQ_SECRET_KEY"},
	{text: "not found", remedy: "no user has the name in ROCKETMQ_ACCESS_KEY: correct it, or make the user with mqadmin createUser on every broker"},
	{text: "disabled", remedy: "the user of ROCKETMQ_ACCESS_KEY is disabled: mqadmin updateUser with -s enable"},
	{text: "signature", remedy: "ROCKETMQ_SECRET_KEY is not the password of the user in ROCKETMQ_ACCESS_KEY"},
}

// RocketMQRemedy says what can be done about an error of access control or of TLS, and nothing of others.
func RocketMQRemedy(err error) string {
	_, remedy := explainSecured(err)
	return remedy
}

// explainSecured explains errors of access control and of TLS to RocketMQ; public is empty for others.
func explainSecured(err error) (public, remedy string) {
	switch {
	case errors.Is(err, rocketmq.ErrLogin):
		text := strings.ToLower(err.Error())
		for _, h := range loginHints {
			if strings.Contains(text, h.text) {
				return "login refused", h.remedy
			}
		}
		return "login refused", "RocketMQ refuses the login: see ROCKETMQ_ACCESS_KEY and ROCKETMQ_SECRET_KEY"
	case errors.Is(err, rocketmq.ErrPermission):
		return "permission missing", "the user of ROCKETMQ_ACCESS_KEY lacks the right that the broker names; grant it with mqadmin updateAcl. In all: " + rocketRights
	}
	return explainRocketTLS(err)
}

func explainRocketTLS(err error) (public, remedy string) {
	const bad = "certificate not accepted"
	var (
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		noTLS   tls.RecordHeaderError
		text    = err.Error()
	)
	switch {
	case strings.Contains(text, "ROCKETMQ_CERT_FILE with "):
		return bad, "the client certificate cannot be read: see ROCKETMQ_CERT_FILE and ROCKETMQ_KEY_FILE"
	case strings.Contains(text, "remote error: tls: "):
		return bad, "RocketMQ refuses our side of TLS: is ROCKETMQ_CERT_FILE set, not expired, and signed by an authority of its tls.server.trustCertPath?"
	case errors.As(err, &unknown):
		return bad, "the server's certificate is signed by an unknown authority: name its PEM file in ROCKETMQ_CA_FILE. (RocketMQ in tls.test.mode makes a new one at each start, which nobody can check: give it one with tls.server.certPath)"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return bad, "the server's certificate is not valid now: renew what its tls.server.certPath names and restart it, or check the clock of this machine; ROCKETMQ_CA_FILE may have expired too"
	case errors.As(err, &host):
		return bad, "the server's certificate is not for the address that it is dialed by (brokers: brokerIP1): issue it for that too, or name what it is for in ROCKETMQ_TLS_SERVER_NAME. (RocketMQ in tls.test.mode makes one for nobody: give it one with tls.server.certPath)"
	case errors.As(err, &invalid):
		return bad, "the server's certificate cannot be used: see what tls.server.certPath names, and ROCKETMQ_CA_FILE"
	case errors.As(err, &noTLS), strings.Contains(text, "tls handshake with ") && (strings.Contains(text, "EOF") || strings.Contains(text, "reset by peer")):
		return "no TLS", "the server speaks no TLS there (tls.server.mode=disabled?): check its address, or leave out ROCKETMQ_TLS"
	}
	return "", ""
}
