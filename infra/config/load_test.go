package config

import (
	"log/slog"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// real is an environment with both servers outside.
func real(more ...string) []string {
	return append([]string{
		"REDIS_URL=redis://:topsecret@cache:6379/2",
		"NAMESRV_ADDR=10.0.0.1:9876;10.0.0.2:9876",
		"AUTH=hmac", "AUTH_USERNAME=u", "AUTH_SECRET_KEY=k",
	}, more...)
}

func TestEmptyEnvironmentIsEmbedded(t *testing.T) {
	got, err := load(nil, 20_000)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Port: 8080, BindAddr: "127.0.0.1", WSPath: "/mqtt", MQTTTCPAddr: "127.0.0.1:1883",
		FallbackTopic: "MQTT_OTHER", TopicAutoCreate: true, RelayFrom: "end", RocketMQProducer: "direct", Auth: []string{"anonymous"},
		MaxPacketSize: 262144, MaxConnections: (20_000 - reservedFiles) / 5 * 4, FittingConnections: (20_000 - reservedFiles) / 5 * 4, MaxSubscriptions: 1000, ReceiveMaximum: 64, TakeoverBurst: 5, SessionBinding: "user",
		ConnectTimeout: 10 * time.Second, KeepAliveMax: 300 * time.Second, SessionExpiryMax: 168 * time.Hour,
		DrainTimeout: 8 * time.Second, P2P: true, ConnectRate: 1000, PublishOver: "wait", MaxHandshakes: 1024, PacketTimeout: time.Minute,
		WriteTimeout: 30 * time.Second,
		WSPing:       45 * time.Second, RetainedMax: 1_000_000, RetainedMaxSize: 262144, SharedRedelivery: 30 * time.Second, MaxGroups: 4096, MaxFilters: 1_000_000, MaxP2PQueues: 900_000,
		StatusInterval: 10 * time.Second, StatusUsers: []string{"*"},
		Functions: []string{"publish", "stream", "push"}, PushAllow: []string{"127.0.0.0/8", "::1", "localhost"}, StreamResume: 5 * time.Minute,
		ACLDefault: "allow", JWTUsernameClaim: "sub", JWTJWKSMaxStale: 24 * time.Hour, JWTACLClaim: "acl", AuthMTLSUsername: "cn", AuthFailures: 10,
		Tick: true, Admin: true, Console: true, Embedded: true, EmbeddedRedis: true, EmbeddedRocketMQ: true,
		OTLPProtocol: "http/protobuf", TracesExporter: "otlp", TracesSampler: "parentbased_always_on", OTelService: "lmqgate",
	}
	if diff := cmp.Diff(want, got, cmpSecret); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRealServers(t *testing.T) {
	got, err := load(real(
		"PORT=9000", "MQTT_TCP_ADDR=:1884", "WS_ORIGINS= *.example.com , https://app.test ",
		"TRUSTED_PROXIES=10.1.2.3/8,192.0.2.7", "PROXY_PROTOCOL=on", "LOG_LEVEL=debug", "LOG_FORMAT=TEXT",
		"METRICS_ADDR=main", "P2P=no", "MAX_CONNECTION_AGE=1h", "RECEIVE_MAXIMUM=65535", "FIRST_TOPICS=a,b,a",
		"WS_PING=0", "RETAINED_MAX=7", "RETAINED_MAX_SIZE=1024", "SHARED_REDELIVERY=10s", "STATUS_INTERVAL=1m",
		"STATUS_USERS=ops, ann", "PRESENCE_EVENTS=true",
	), 0)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Port: 9000, BindAddr: "0.0.0.0", WSPath: "/mqtt", MQTTTCPAddr: ":1884", MQTTTCPAddrSet: true,
		WSOrigins:   []string{"*.example.com", "https://app.test"},
		NameServers: []string{"10.0.0.1:9876", "10.0.0.2:9876"}, FirstTopics: []string{"a", "b"},
		FallbackTopic: "MQTT_OTHER", TopicAutoCreate: true, RelayFrom: "end", RocketMQProducer: "direct", RedisURL: "redis://:topsecret@cache:6379/2",
		Auth: []string{"hmac"}, AuthUsername: "u", AuthSecretKey: "k",
		MaxPacketSize: 262144, MaxConnections: defaultMostConnections, FittingConnections: defaultMostConnections, MaxSubscriptions: 1000, ReceiveMaximum: 65535, TakeoverBurst: 5, SessionBinding: "user",
		ConnectTimeout: 10 * time.Second, KeepAliveMax: 300 * time.Second, SessionExpiryMax: 168 * time.Hour,
		ConnectRate: 1000, PublishOver: "wait", MaxHandshakes: 1024, PacketTimeout: time.Minute, WriteTimeout: 30 * time.Second,
		MaxConnectionAge: time.Hour, DrainTimeout: 8 * time.Second, MetricsAddr: "main", ProxyProtocol: true,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")},
		LogLevel:       slog.LevelDebug, LogFormat: "text",
		OTLPProtocol: "http/protobuf", TracesExporter: "otlp", TracesSampler: "parentbased_always_on", OTelService: "lmqgate",
		Functions: []string{"publish", "stream", "push"}, StreamResume: 5 * time.Minute,
		ACLDefault: "allow", JWTUsernameClaim: "sub", JWTJWKSMaxStale: 24 * time.Hour, JWTACLClaim: "acl", AuthMTLSUsername: "cn", AuthFailures: 10,
		RetainedMax: 7, RetainedMaxSize: 1024, SharedRedelivery: 10 * time.Second, MaxGroups: 4096, MaxFilters: 1_000_000, MaxP2PQueues: 900_000, StatusInterval: time.Minute,
		StatusUsers: []string{"ops", "ann"}, PresenceEvents: true,
	}
	if diff := cmp.Diff(want, got, cmpSecret); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// cmpSecret lets cmp look at what secrets hide, and at prefixes.
var cmpSecret = cmp.Options{
	cmp.Transformer("reveal", Secret.Reveal),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// TestWrongValues sets one variable at a time and names the variables that the error must name.
func TestWrongValues(t *testing.T) {
	tests := []struct {
		environ string // separated by spaces
		wrong   string
	}{
		{"PORT=x", "PORT"},
		{"PORT=70000", "PORT"},
		{"PORT=-1", "PORT"},
		{"BIND_ADDR=0.0.0.0:80", "BIND_ADDR"},
		{"WS_PATH=mqtt", "WS_PATH"},
		{"WS_PATH=/", "WS_PATH"},
		{"WS_PATH=/health/live", "WS_PATH"},
		{"WS_PATH=/a/../b", "WS_PATH"},
		{"WS_ORIGINS=https://a.test/page", "WS_ORIGINS"},
		{"WS_ORIGINS=ftp://a.test", "WS_ORIGINS"},
		{"WS_ORIGINS=[", "WS_ORIGINS"},
		{"CORS_ORIGINS=https://a.test/page", "CORS_ORIGINS"},
		{"MQTT_TCP_ADDR=1883", "MQTT_TCP_ADDR"},
		{"MQTT_TLS_ADDR=:8883", "TLS_CERT_FILE TLS_KEY_FILE"},
		{"TLS_CERT_FILE=/nonexistent TLS_KEY_FILE=/nonexistent", "TLS_CERT_FILE"},
		{"TLS_CLIENT_CA_FILE=/nonexistent", "TLS_CLIENT_CA_FILE"},
		{"ROCKETMQ_ACCESS_KEY=a", "ROCKETMQ_SECRET_KEY"},
		{"ROCKETMQ_SECRET_KEY=a", "ROCKETMQ_ACCESS_KEY"},
		{"ROCKETMQ_TLS=true", "ROCKETMQ_TLS"}, // of whom?
		{"FIRST_TOPICS=a,b/c", "FIRST_TOPICS"},
		{"FALLBACK_TOPIC=%RETRY%x", "FALLBACK_TOPIC"},
		{"TOPIC_AUTO_CREATE=maybe", "TOPIC_AUTO_CREATE"},
		{"ROCKETMQ_PRODUCER=java", "ROCKETMQ_PRODUCER"},
		{"REDIS_CLUSTER=true", "REDIS_CLUSTER"},
		{"REDIS_SENTINEL_MASTER=m", "REDIS_SENTINEL_MASTER"},
		{"REDIS_PREFIX={a}", "REDIS_PREFIX"},
		{"AUTH=hmac", "AUTH_USERNAME AUTH_SECRET_KEY"},
		{"AUTH=scram", "AUTH_SCRAM_USERS"},
		{"AUTH=scram AUTH_USERNAME=u", "AUTH_SECRET_KEY"},
		{"AUTH=scram AUTH_SECRET_KEY=k", "AUTH_USERNAME"},
		{"AUTH=hmac,scram", "AUTH_USERNAME AUTH_SECRET_KEY"},
		{"AUTH=scram AUTH_USERNAME=u AUTH_SECRET_KEY=k", ""},
		{"AUTH=scram AUTH_USERNAME=u\x07 AUTH_SECRET_KEY=k", "AUTH_USERNAME"},
		{"AUTH=scram AUTH_USERNAME=u AUTH_SECRET_KEY=k\x07", "AUTH_SECRET_KEY"},
		{"AUTH=hmac AUTH_USERNAME=u\x07 AUTH_SECRET_KEY=k\x07", ""},
		{"AUTH=scram AUTH_SCRAM_USERS=u:pencil", "AUTH_SCRAM_USERS"},
		{"AUTH=scram AUTH_SCRAM_USERS=" + scramUser, ""},
		{"AUTH=hmac,scram AUTH_SCRAM_USERS=" + scramUser, "AUTH_USERNAME AUTH_SECRET_KEY"},
		{"AUTH=scram AUTH_SCRAM_USERS_FILE=/nonexistent", "AUTH_SCRAM_USERS_FILE"},
		{"AUTH=token", "AUTH"},
		{"AUTH=,", ""}, // an empty list is no list: the default
		{"AUTH=ldap", "AUTH"},
		{"AUTH=mtls", "TLS_CLIENT_CA_FILE"},
		{"AUTH=jwt", "AUTH_JWT_JWKS_URL"},
		{"AUTH=http", "AUTH_HTTP_URL"},
		{"AUTH_JWT_SECRET=short", "AUTH_JWT_SECRET"},
		{"AUTH_JWT_JWKS_URL=http://issuer.example.com/keys", "AUTH_JWT_JWKS_URL"},
		{"AUTH_JWT_JWKS_MAX_STALE=9m", "AUTH_JWT_JWKS_MAX_STALE"},
		{"AUTH_JWT_JWKS_MAX_STALE=721h", "AUTH_JWT_JWKS_MAX_STALE"},
		{"AUTH_HTTP_URL=http://auth.example.com", "AUTH_HTTP_URL"},
		{"AUTH_MTLS_USERNAME=serial", "AUTH_MTLS_USERNAME"},
		{"ACL_RULES={", "ACL_RULES"},
		{`ACL_RULES=[{"permission":"allow","action":"publish","topic":"a+"}]`, "ACL_RULES"},
		{"ACL_RULES_FILE=/nowhere", "ACL_RULES_FILE"},
		{"ACL_DEFAULT=maybe", "ACL_DEFAULT"},
		{"TENANT_SEPARATOR=_", "TENANT_SEPARATOR"},
		{"TENANT_SEPARATOR=/a", "TENANT_SEPARATOR"},
		{"TENANT_SEPARATOR=/////////", "TENANT_SEPARATOR"},
		{"ADMIN_TOKEN=short", "ADMIN_TOKEN"},
		{"ADMIN_ADDR=127.0.0.1:9001", "ADMIN_TOKEN"},
		{"AUTH_FAILURES=-1", "AUTH_FAILURES"},
		{"MAX_PACKET_SIZE=256k", "MAX_PACKET_SIZE"},
		{"MAX_PACKET_SIZE=0", "MAX_PACKET_SIZE"},
		{"MAX_CONNECTIONS=0", "MAX_CONNECTIONS"},
		{"PUBLISH_RATE=-1", "PUBLISH_RATE"},
		{"USER_PUBLISH_BYTES=100", "USER_PUBLISH_BYTES"},
		{"PUBLISH_OVER=drop", "PUBLISH_OVER"},
		{"PUBLISH_RATE=5 INSTANCE_PUBLISH_BYTES=4096 PUBLISH_OVER=disconnect USER_CONNECT_RATE=3", ""},
		{"MAX_SUBSCRIPTIONS=100001", "MAX_SUBSCRIPTIONS"},
		{"RECEIVE_MAXIMUM=0", "RECEIVE_MAXIMUM"},
		{"RECEIVE_MAXIMUM=65536", "RECEIVE_MAXIMUM"},
		{"RETAINED_MAX=0", "RETAINED_MAX"},
		{"RETAINED_MAX=1000000001", "RETAINED_MAX"},
		{"RETAINED_MAX=1m", "RETAINED_MAX"},
		{"RETAINED_MAX_SIZE=0", "RETAINED_MAX_SIZE"},
		{"RETAINED_MAX_SIZE=16777217", "RETAINED_MAX_SIZE"},
		{"SHARED_REDELIVERY=9s", "SHARED_REDELIVERY"},
		{"SHARED_REDELIVERY=6m", "SHARED_REDELIVERY"},
		{"MAX_GROUPS=0", "MAX_GROUPS"},
		{"MAX_FILTERS=-1", "MAX_FILTERS"},
		{"MAX_P2P_QUEUES=-1", "MAX_P2P_QUEUES"},
		{"TAKEOVER_BURST=-1", "TAKEOVER_BURST"},
		{"WS_PING=1s", "WS_PING"},
		{"WS_PING=11m", "WS_PING"},
		{"WS_PING=-1s", "WS_PING"},
		{"STATUS_INTERVAL=10", "STATUS_INTERVAL"},
		{"STATUS_INTERVAL=500ms", "STATUS_INTERVAL"},
		{"STATUS_INTERVAL=2h", "STATUS_INTERVAL"},
		{"STATUS_INTERVAL=0", ""},
		{"STATUS_USERS=off,ops", "STATUS_USERS"},
		{"PRESENCE_EVENTS=some", "PRESENCE_EVENTS"},
		{"CONNECT_TIMEOUT=0", "CONNECT_TIMEOUT"},
		{"KEEPALIVE_MAX=300", "KEEPALIVE_MAX"}, // no unit
		{"KEEPALIVE_MAX=65536s", "KEEPALIVE_MAX"},
		{"KEEPALIVE_MAX=10500ms", "KEEPALIVE_MAX"},
		{"SESSION_EXPIRY_MAX=-1s", "SESSION_EXPIRY_MAX"},
		{"MAX_CONNECTION_AGE=1ms", "MAX_CONNECTION_AGE"},
		{"DRAIN_TIMEOUT=1h", "DRAIN_TIMEOUT"},
		{"METRICS_ADDR=yes", "METRICS_ADDR"},
		{"TRUSTED_PROXIES=proxy.local", "TRUSTED_PROXIES"},
		{"PROXY_PROTOCOL=true", "PROXY_PROTOCOL"},
		{"LOG_LEVEL=loud", "LOG_LEVEL"},
		{"LOG_FORMAT=xml", "LOG_FORMAT"},
		// One real server only, and platforms that throw instances away.
		{"REDIS_URL=redis://h AUTH=anonymous", "NAMESRV_ADDR"},
		{"NAMESRV_ADDR=h:9876 AUTH=anonymous", "REDIS_URL"},
		{"NAMESRV_ADDR=h:9876 AUTH=anonymous ALLOW_EMBEDDED=true", ""},
		{"NAMESRV_ADDR=h:9876 ALLOW_EMBEDDED=true", "AUTH"},
		{"K_SERVICE=x", "ALLOW_EMBEDDED"},
		{"ECS_CONTAINER_METADATA_URI_V4=x", "ALLOW_EMBEDDED"},
		{"K_SERVICE=x ALLOW_EMBEDDED=true", ""},
		{"NAMESRV_ADDR=h:9876 REDIS_URL=redis://h", "AUTH"},
		{"NAMESRV_ADDR=h REDIS_URL=redis://h AUTH=anonymous", "NAMESRV_ADDR"},
		{"NAMESRV_ADDR=; REDIS_URL=redis://h AUTH=anonymous", "NAMESRV_ADDR"},
		{"ALLOW_EMBEDDED=perhaps REDIS_URL=redis://h AUTH=anonymous", "ALLOW_EMBEDDED"},
	}
	for _, tt := range tests {
		t.Run(tt.environ, func(t *testing.T) {
			_, err := load(strings.Fields(tt.environ), 0)
			if got := strings.Join(names(t, err), " "); got != tt.wrong {
				t.Errorf("wrong variables %q, want %q; error:\n%v", got, tt.wrong, err)
			}
		})
	}
}

// names returns the variables that an error of Load names, in its order.
func names(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	problems, ok := err.(Problems)
	if !ok {
		t.Fatalf("error is a %T, want Problems: %v", err, err)
	}
	var out []string
	for _, p := range problems {
		if lookup(p.Var) == nil {
			t.Errorf("problem with %q, which is not one of our variables", p.Var)
		}
		out = append(out, p.Var)
	}
	return out
}

func TestAllProblemsAtOnceInTableOrder(t *testing.T) {
	_, err := load([]string{"LOG_FORMAT=xml", "PORT=http", "AUTH=hmac", "RECEIVE_MAXIMUM=0"}, 0)
	if err == nil {
		t.Fatal("no error")
	}
	want := `PORT: "http" is not accepted; give a port number from 0 to 65535 (0: any free one)
AUTH_USERNAME: is not set; give the user name of AUTH=hmac or scram
AUTH_SECRET_KEY: is not set; give the key of AUTH=hmac, the password of AUTH=scram
RECEIVE_MAXIMUM: "0" is not accepted; give a number from 1 to 65535
LOG_FORMAT: "xml" is not accepted; give json or text`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestEmptyIsUnsetAndLastWins(t *testing.T) {
	cfg, err := load([]string{"PORT=", "WS_PATH=  ", "RECEIVE_MAXIMUM=1", "RECEIVE_MAXIMUM=7\n", "broken", "=x"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Port != 8080 || cfg.WSPath != "/mqtt" || cfg.ReceiveMaximum != 7 {
		t.Errorf("port %d, path %q, receive maximum %d", cfg.Port, cfg.WSPath, cfg.ReceiveMaximum)
	}
}

func TestProcessEnvironmentIsNotRead(t *testing.T) {
	t.Setenv("PORT", "9999")
	for _, environ := range [][]string{nil, {}} {
		cfg, err := Load(environ)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Port != 8080 {
			t.Errorf("port %d comes from the process environment", cfg.Port)
		}
	}
}

func TestCloudRunConnectionAge(t *testing.T) {
	tests := []struct {
		environ  []string
		age      time.Duration
		warnings int
	}{
		{real(), 0, 0},
		{real("K_SERVICE=gw"), 55 * time.Minute, 0},
		{real("K_SERVICE=gw", "MAX_CONNECTION_AGE=30m"), 30 * time.Minute, 0},
		{real("K_SERVICE=gw", "MAX_CONNECTION_AGE=0"), 0, 1},
		{real("K_SERVICE=gw", "MAX_CONNECTION_AGE=2h"), 2 * time.Hour, 1},
	}
	for _, tt := range tests {
		cfg, err := load(tt.environ, 0)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.MaxConnectionAge != tt.age || len(cfg.Warnings) != tt.warnings {
			t.Errorf("%q: age %v, warnings %q", tt.environ[5:], cfg.MaxConnectionAge, cfg.Warnings)
		}
	}
}

func TestOffSwitches(t *testing.T) {
	cfg, err := load([]string{"MQTT_TCP_ADDR=off", "MQTT_TLS_ADDR=OFF", "METRICS_ADDR=off"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.MQTTTCPAddr != "" || cfg.MQTTTLSAddr != "" || cfg.MetricsAddr != "" {
		t.Errorf("addresses %q %q %q", cfg.MQTTTCPAddr, cfg.MQTTTLSAddr, cfg.MetricsAddr)
	}
}

// TestVarsMatchConfig keeps the table and the struct in step, both ways.
func TestVarsMatchConfig(t *testing.T) {
	tagged := map[string]bool{"TRUSTED_PROXIES": true} // read by checkProxies
	for field := range reflect.TypeFor[Config]().Fields() {
		if name := field.Tag.Get("env"); name != "-" {
			tagged[name] = true
			if v := lookup(name); v == nil {
				t.Errorf("%s fills Config.%s and is not in vars", name, field.Name)
			} else if v.Secret != (field.Type == reflect.TypeFor[Secret]()) {
				t.Errorf("%s: Secret in vars is %v, Config.%s is a %v", name, v.Secret, field.Name, field.Type)
			}
		}
	}
	for _, v := range vars {
		if !tagged[v.Name] {
			t.Errorf("%s is in vars and no field of Config reads it", v.Name)
		}
		if v.Meaning == "" || v.Accepts == "" {
			t.Errorf("%s has no meaning or does not say what it accepts", v.Name)
		}
		if v.Default == "" && fieldDefaults()[v.Name] == "" {
			t.Errorf("%s has no default to show", v.Name)
		}
	}
}

// TestEvents: EVENTS_URL has all events pushed, or those that EVENTS names; what cannot work is told at start.
func TestEvents(t *testing.T) {
	secret := "whsec_" + strings.Repeat("MTIz", 10)
	with := func(more ...string) (Config, error) {
		var env []string
		for i := 0; i+1 < len(more); i += 2 {
			env = append(env, more[i]+"="+more[i+1])
		}
		return load(real(env...), 20_000)
	}
	cfg, err := with("EVENTS_URL", "https://example.com/hook", "EVENTS_SECRET", secret+", "+secret+"MTIz")
	if err != nil || len(cfg.Events) != 6 || cfg.EventsTarget == nil || cfg.EventsTarget.URL != "https://example.com/hook" || len(cfg.EventsTarget.Secrets) != 2 {
		t.Errorf("%v: %v, %+v", err, cfg.Events, cfg.EventsTarget)
	}
	if cfg, err = with("EVENTS", "client.connected,session.expired"); err != nil || len(cfg.Events) != 2 || cfg.EventsTarget != nil {
		t.Errorf("%v: %v, %+v", err, cfg.Events, cfg.EventsTarget)
	}
	if cfg, err = with("EVENTS_URL", "http://hook.internal/", "PUSH_ALLOW", "*.internal,10.0.0.0/8", "EVENTS", "off"); err != nil || len(cfg.Events) != 0 {
		t.Errorf("%v: %v", err, cfg.Events)
	}
	for _, wrong := range [][]string{
		{"EVENTS_URL", "http://example.com/"},
		{"EVENTS_URL", "https://127.0.0.1/"},
		{"EVENTS_URL", "https://example.com/", "FUNCTIONS", "publish"},
		{"EVENTS_URL", "https://example.com/", "EVENTS_SECRET", "abc"},
		{"EVENTS_SECRET", secret},
		{"EVENTS", "client.born"},
		{"PUSH_ALLOW", "a b"},
	} {
		if _, err := with(wrong...); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%v: %v", wrong, err)
		}
	}
}
