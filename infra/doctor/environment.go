package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lmqgate/infra/config"
	"lmqgate/meta/access"
)

// surroundings is the environment, read, and what is wrong with it.
type surroundings struct {
	config.Config
	wrong config.Problems
	set   map[string]string
	now   func() time.Time
}

// environmentCheck asks one thing of the environment; the second result is false where the question does not arise.
type environmentCheck struct {
	name string
	ask  func(surroundings) (Finding, bool)
}

// environmentChecks are asked if every variable can be used, in this order.
func environmentChecks() []environmentCheck {
	return []environmentCheck{
		{"env.embedded", askEmbedded},
		{"env.auth", askAuth},
		{"env.cleartext", askCleartext},
		{"env.proxies", askProxies},
		{"env.status", askStatus},
		{"env.push", askPush},
		{"env.certificate", askCertificate},
		{"env.limits", askLimits},
		{"env.platform", askPlatform},
		{"env.log", askLog},
		{"env.test", askTest},
	}
}

// environment examines what the gateway is configured by: all that is wrong, else what is unsafe together.
func environment(s surroundings) []Finding {
	var all []Finding
	for _, p := range s.wrong {
		text, give, found := strings.Cut(p.Text, "; give ")
		if give = "give " + give; !found {
			give = "put it right: the gateway does not start before"
		}
		all = append(all, failure(give, "%s", text).as("env.value", p.Var))
	}
	if len(all) == 0 {
		all = append(all, fine("nothing is wrong with any variable").as("env.value", ""))
	}
	for _, w := range s.Warnings {
		name, text, _ := strings.Cut(w, ": ")
		all = append(all, warning("see the table of variables in the README", "%s", text).as("env.warning", name))
	}
	if len(s.wrong) > 0 {
		return all
	}
	return append(all, combinations(s)...)
}

// combinations examines variables that can be used, together.
func combinations(s surroundings) (all []Finding) {
	for _, c := range environmentChecks() {
		if f, arises := c.ask(s); arises {
			all = append(all, f.as(c.name, f.Of))
		}
	}
	return all
}

// Names by which platforms whose instances come and go make themselves known.
var platforms = []struct{ variable, name string }{
	{"K_SERVICE", "Cloud Run"}, {"ECS_CONTAINER_METADATA_URI_V4", "ECS"}, {"KUBERNETES_SERVICE_HOST", "Kubernetes"},
}

func (s surroundings) platform() string {
	for _, p := range platforms {
		if s.set[p.variable] != "" {
			return p.name
		}
	}
	return ""
}

// askEmbedded: what runs in the process is gone with it.
func askEmbedded(s surroundings) (Finding, bool) {
	const remedy = "for production set REDIS_URL and NAMESRV_ADDR"
	switch {
	case !s.Embedded:
		return fine("Redis and RocketMQ are servers of their own"), true
	case s.EmbeddedRedis != s.EmbeddedRocketMQ:
		return failure("set both REDIS_URL and NAMESRV_ADDR, or none", "one of Redis and RocketMQ is embedded, the other is not: sessions and messages outlive each other"), true
	case s.platform() != "":
		return failure(remedy, "nothing is configured: Redis and RocketMQ are embedded, on %s, which throws instances away with all that is in them", s.platform()), true
	}
	return warning(remedy, "nothing is configured: Redis and RocketMQ are embedded, nothing survives a restart, and there can be one instance only"), true
}

// real tells whether there is anything to protect.
func (s surroundings) real() bool { return !s.EmbeddedRedis || !s.EmbeddedRocketMQ }

// askAuth: who may connect.
func askAuth(s surroundings) (Finding, bool) {
	if !slices.Contains(s.Auth, "anonymous") {
		return fine("clients log in by %s", strings.Join(s.Auth, ", ")), true
	}
	if !s.real() && isLocal(s.BindAddr) {
		return fine("anonymous, on this machine only"), true
	}
	return warning("AUTH=hmac or scram, unless something before the gateway decides who may connect", "anonymous: whoever reaches the gateway may connect, publish and subscribe"), true
}

// askCleartext: a password that crosses a network without TLS is everybody's. HMAC passwords can be used again too.
func askCleartext(s surroundings) (Finding, bool) {
	host, _, err := net.SplitHostPort(s.MQTTTCPAddr)
	if err != nil || !slices.ContainsFunc(s.Auth, func(a string) bool { return a != "anonymous" && a != "mtls" }) {
		return Finding{}, false
	}
	if isLocal(host) {
		return fine("MQTT over plain TCP listens on this machine only"), true
	}
	return warning("let clients use MQTT_TLS_ADDR, or a proxy with TLS before MQTT_TCP_ADDR that alone reaches it", "passwords cross the network unencrypted at MQTT_TCP_ADDR").as("", "MQTT_TCP_ADDR"), true
}

func isLocal(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// askProxies: whose word about a client's address is believed.
func askProxies(s surroundings) (Finding, bool) {
	for _, p := range s.TrustedProxies {
		if p.Bits() == 0 {
			return warning("name only the proxies' own networks", "everybody is a trusted proxy (%s), so every client may claim any address", p).as("", "TRUSTED_PROXIES"), true
		}
	}
	return Finding{}, false
}

// askStatus: the status topics tell of versions, numbers and load.
func askStatus(s surroundings) (Finding, bool) {
	if !s.real() || !slices.Contains(s.StatusUsers, access.Everybody) {
		return Finding{}, false
	}
	return warning("name the users who watch the gateway", "every client may read the status topics $SYS/...").as("", "STATUS_USERS"), true
}

// askPush: what the gateway calls, and whether the receiver of events can tell who calls.
func askPush(s surroundings) (Finding, bool) {
	for _, one := range s.PushAllow {
		if p, err := netip.ParsePrefix(one); err == nil && p.Bits() == 0 {
			return warning("name the networks that are to be called", "pushes may call every address (%s), the platform's metadata too", one).as("", "PUSH_ALLOW"), true
		}
	}
	if s.EventsURL != "" && s.EventsSecret == "" {
		return warning("set EVENTS_SECRET to whsec_ and the base64 of 32 random bytes", "events are not signed: whoever knows the URL can make them up").as("", "EVENTS_SECRET"), true
	}
	return Finding{}, false
}

// askCertificate: how long the server's certificate is good.
func askCertificate(s surroundings) (Finding, bool) {
	if s.TLSCertFile == "" || s.TLSKeyFile == "" {
		return Finding{}, false
	}
	pair, err := tls.LoadX509KeyPair(s.TLSCertFile, s.TLSKeyFile)
	if err != nil {
		return Finding{}, false // a problem of the environment
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return Finding{}, false
	}
	return certificate(leaf, s.now()).as("", "TLS_CERT_FILE"), true
}

func certificate(leaf *x509.Certificate, now time.Time) Finding {
	const remedy = "renew it (running gateways read their own again)"
	left, day := leaf.NotAfter.Sub(now), leaf.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case now.Before(leaf.NotBefore):
		return failure("check the clock of this machine, and the certificate", "the certificate is good from %s on", leaf.NotBefore.UTC().Format(time.DateOnly))
	case left <= 0:
		return failure(remedy, "the certificate was good until %s", day)
	case left < 14*24*time.Hour:
		return warning(remedy, "the certificate is good until %s only", day)
	}
	return fine("the certificate is good until %s", day)
}

// askLimits: whether as many clients as may connect fit.
func askLimits(s surroundings) (Finding, bool) {
	if s.MaxConnections > s.FittingConnections {
		return warning("raise ulimit -n (nofile) and the memory limit, or lower MAX_CONNECTIONS",
			"%d clients may connect, but only %d fit into the limits of open files and memory", s.MaxConnections, s.FittingConnections).as("", "MAX_CONNECTIONS"), true
	}
	return fine("%d clients may connect, which fits into the limits of open files and memory", s.MaxConnections), true
}

// cloudRunStops is how long Cloud Run waits after SIGTERM.
const cloudRunStops = 10 * time.Second

// askPlatform: what the platform does that the gateway has to be faster than.
func askPlatform(s surroundings) (Finding, bool) {
	switch name := s.platform(); {
	case name == "":
		return Finding{}, false
	case name == "Cloud Run" && s.DrainTimeout+time.Second > cloudRunStops:
		return warning("DRAIN_TIMEOUT=8s", "Cloud Run kills an instance %s after it asked it to stop; draining takes up to %s", cloudRunStops, s.DrainTimeout).as("", "DRAIN_TIMEOUT"), true
	default:
		return fine("runs on %s", name), true
	}
}

func askLog(s surroundings) (Finding, bool) {
	if strings.EqualFold(s.set["LOG_LEVEL"], "debug") && s.real() {
		return warning("LOG_LEVEL=info, and LOG_CLIENTS for single clients", "every packet of every client is logged").as("", "LOG_LEVEL"), true
	}
	return Finding{}, false
}

// askTest: switches that break the gateway on purpose.
func askTest(s surroundings) (Finding, bool) {
	if s.Failpoint != "" || s.TestClock != "" || s.StaleRegistry {
		return failure("unset them", "LMQGATE_TEST_... variables are set, which break the gateway on purpose"), true
	}
	return Finding{}, false
}

// toSet is the environment as a map, without what is set to nothing.
func toSet(environ []string) map[string]string {
	set := make(map[string]string, len(environ))
	for _, e := range environ {
		if name, value, ok := strings.Cut(e, "="); ok {
			set[name] = strings.TrimSpace(value)
		}
	}
	return set
}
