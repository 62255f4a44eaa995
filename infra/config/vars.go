package config

// Var is one environment variable of the gateway, as the README's table shows it.
type Var struct {
	Name    string
	Default string // markdown; "" means the default of the Config field's tag, in code style
	Meaning string
	Accepts string // completes "give ..." in an error
	Java    string // what it was in RocketMQ MQTT, markdown
	Secret  bool   // its value never appears in an error
}

// vars lists every variable that Load reads, in the order of the table. TestVarsMatchConfig keeps it true to Config.
var vars = []Var{
	{
		Name: "PORT", Java: "`mqttWsPort`",
		Meaning: "HTTP and WebSocket share it",
		Accepts: "a port number from 0 to 65535 (0: any free one)",
	},
	{
		Name: "BIND_ADDR", Default: "`0.0.0.0`; `127.0.0.1` when embedded",
		Meaning: "address that `PORT` listens on; the container image sets `0.0.0.0`",
		Accepts: "an IP address or a host name, without a port",
	},
	{
		Name:    "WS_PATH",
		Meaning: "path of the WebSocket endpoint, subprotocols `mqtt` and `mqttv3.1`",
		Accepts: "a path that starts with / and is not /, /health/..., /console/... or /metrics",
	},
	{
		Name: "WS_ORIGINS", Default: "same origin",
		Meaning: "web pages that may connect: comma list of host patterns, such as `*.example.com`; `*` is any",
		Accepts: "a comma list of patterns such as app.example.com, *.example.com or https://app.example.com",
	},
	{
		Name:    "WS_PING",
		Meaning: "how often an idle WebSocket is sent a ping, for proxies that cut silent connections; 0 is never",
		Accepts: "0, or a duration from 5s to 10m",
	},
	{
		Name: "MQTT_TCP_ADDR", Default: "off; `127.0.0.1:1883` when embedded", Java: "`mqttPort`",
		Meaning: "MQTT over plain TCP",
		Accepts: "host:port, or off",
	},
	{
		Name: "MQTT_TLS_ADDR", Default: "off", Java: "`mqttTlsPort`, `enableTlsSever`",
		Meaning: "MQTT over TLS; needs the two files below",
		Accepts: "host:port, or off",
	},
	{
		Name: "TLS_CERT_FILE", Default: "none",
		Meaning: "PEM file with the server's certificate chain",
		Accepts: "a readable PEM file with a certificate",
	},
	{
		Name: "TLS_KEY_FILE", Default: "none",
		Meaning: "PEM file with its private key",
		Accepts: "a readable PEM file with the private key of TLS_CERT_FILE",
	},
	{
		Name: "TLS_CLIENT_CA_FILE", Default: "none", Java: "`needClientAuth`",
		Meaning: "PEM file with the authorities whose client certificates are accepted",
		Accepts: "a readable PEM file with at least one certificate",
	},
	{
		Name: "NAMESRV_ADDR", Default: "embedded minimq", Java: "`NAMESRV_ADDR`",
		Meaning: "RocketMQ name servers, separated by `;` or `,`",
		Accepts: "host:port pairs separated by ; or , such as 10.0.0.1:9876;10.0.0.2:9876",
	},
	{
		Name: "ROCKETMQ_ACCESS_KEY", Default: "none",
		Meaning: "RocketMQ ACL access key",
		Accepts: "an access key, together with ROCKETMQ_SECRET_KEY",
	},
	{
		Name: "ROCKETMQ_SECRET_KEY", Default: "none", Secret: true,
		Meaning: "RocketMQ ACL secret key",
		Accepts: "a secret key, together with ROCKETMQ_ACCESS_KEY",
	},
	{
		Name:    "ROCKETMQ_TLS",
		Meaning: "speak TLS with name servers and brokers, all of them",
		Accepts: acceptsBool,
	},
	{
		Name: "ROCKETMQ_CA_FILE", Default: "system authorities",
		Meaning: "PEM file of the authorities that signed their certificates",
		Accepts: "a readable PEM file",
	},
	{
		Name: "ROCKETMQ_TLS_SERVER_NAME", Default: "the host of each address",
		Meaning: "name that their certificates are checked for: brokers mostly announce IP addresses; `*` is any, with `ROCKETMQ_CA_FILE` only",
		Accepts: "a host name, an IP address, or *",
	},
	{
		Name: "ROCKETMQ_CERT_FILE", Default: "none",
		Meaning: "PEM file of the gateway's own certificate, with `ROCKETMQ_KEY_FILE`, for brokers that ask for one; read again for each connection",
		Accepts: "a readable PEM file",
	},
	{
		Name: "ROCKETMQ_KEY_FILE", Default: "none",
		Meaning: "PEM file of its key",
		Accepts: "a readable PEM file",
	},
	{
		Name: "FIRST_TOPICS", Default: "any valid name", Java: "`LMQ/ALL_FIRST_TOPICS` in the name server",
		Meaning: "first levels that have a RocketMQ topic of their own, comma list; others go to `FALLBACK_TOPIC`",
		Accepts: "a comma list of names of 1 to 127 letters, digits, _ or -",
	},
	{
		Name:    "FALLBACK_TOPIC",
		Meaning: "RocketMQ topic for first levels that cannot be one",
		Accepts: "a name of 1 to 127 letters, digits, _ or -",
	},
	{
		Name: "TOPIC_AUTO_CREATE", Java: "`mqadmin updatetopic` by hand",
		Meaning: "create missing RocketMQ topics, on all masters",
		Accepts: acceptsBool,
	},
	{
		Name:    "ROCKETMQ_PRODUCER",
		Meaning: "how messages are sent: `direct` over the gateway's own connections, or `client-go` through rocketmq-client-go, which costs half as much CPU again",
		Accepts: "direct or client-go",
	},
	{
		Name: "REDIS_URL", Default: "embedded miniredis", Secret: true,
		Java:    "the meta Raft cluster (`metaAddr`, `allNodeAddress`, `metaPort`)",
		Meaning: "`redis://` or `rediss://` (TLS); several hosts, comma separated, for Cluster and Sentinel",
		Accepts: "redis://[user:password@]host:port[,host:port...][/db] or rediss://... for TLS",
	},
	{
		Name:    "REDIS_CLUSTER",
		Meaning: "`REDIS_URL` names nodes of a Redis Cluster",
		Accepts: acceptsBool + ", and not together with REDIS_SENTINEL_MASTER",
	},
	{
		Name: "REDIS_SENTINEL_MASTER", Default: "none",
		Meaning: "`REDIS_URL` names Sentinels; this is the master's name",
		Accepts: "the master's name as Sentinel knows it",
	},
	{
		Name: "REDIS_CA_FILE", Default: "system authorities",
		Meaning: "PEM file with the authority of a `rediss://` server",
		Accepts: "a readable PEM file with at least one certificate, with a rediss:// URL",
	},
	{
		Name: "REDIS_PREFIX", Default: "none",
		Meaning: "put before every key, for several gateways on one Redis",
		Accepts: "at most 64 letters, digits and any of : _ . -",
	},
	{
		Name: "AUTH", Default: "`anonymous` when embedded, otherwise required", Java: "the pluggable auth manager",
		Meaning: "who may connect: comma list of `hmac`, `scram`, `jwt`, `http`, `mtls`, `anonymous`, asked in order",
		Accepts: "a comma list of hmac, scram, jwt, http, mtls and anonymous",
	},
	{
		Name: "AUTH_USERNAME", Default: "none", Java: "`username`",
		Meaning: "user name of `hmac`, and of `scram` unless that has users of its own",
		Accepts: "the user name of AUTH=hmac or scram",
	},
	{
		Name: "AUTH_SECRET_KEY", Default: "none", Java: "`secretKey`", Secret: true,
		Meaning: "key of `hmac`: password = Base64(HMAC-SHA1(key, client id)); password of `scram`",
		Accepts: "the key of AUTH=hmac, the password of AUTH=scram",
	},
	{
		Name: "AUTH_SCRAM_USERS", Default: "the user above", Secret: true,
		Meaning: "users of `scram` (SCRAM-SHA-256, MQTT 5.0 only): comma list of lines as `lmqgate scram USER` prints them",
		Accepts: "a comma list of name:SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, as lmqgate scram prints them",
	},
	{
		Name: "AUTH_SCRAM_USERS_FILE", Default: "none",
		Meaning: "file with such users, one a line; empty lines and those that begin with `#` are skipped",
		Accepts: "a readable file with a line of lmqgate scram for each user",
	},
	{
		Name: "TENANT_SEPARATOR", Default: "none",
		Meaning: "what stands between tenant and user in verified user names, `/` in `acme/alice`; a name without it has no tenant, and the whole topic space",
		Accepts: "1 to 8 ASCII characters, none of them a letter, digit, _ or -",
	},
	{
		Name: "ACL_RULES", Default: "none",
		Meaning: "what clients may do, as JSON: the first rule that covers a topic decides; `%c` is the client id, `%u` the verified user name",
		Accepts: `a JSON list of {"permission":"allow"|"deny","action":"publish"|"subscribe"|"retain"|"all","topic":"a/%u/#"}`,
	},
	{
		Name: "ACL_RULES_FILE", Default: "none",
		Meaning: "file with such rules, behind those of `ACL_RULES`; read again every 10 s",
		Accepts: "a readable file with a JSON list of rules",
	},
	{
		Name: "ACL_DEFAULT", Default: "`deny` if there are rules, else `allow`",
		Meaning: "what counts where no rule covers a topic; whoever has rules of their own (a token's, the callback's) may not",
		Accepts: "allow or deny",
	},
	{
		Name: "AUTH_JWT_SECRET", Default: "none", Secret: true,
		Meaning: "`jwt`: secret of tokens signed with HS256, HS384 or HS512",
		Accepts: "a secret of 32 to 4096 bytes, such as `openssl rand -hex 32` prints",
	},
	{
		Name: "AUTH_JWT_KEYS_FILE", Default: "none",
		Meaning: "`jwt`: file with public keys of tokens signed with RS, PS, ES or EdDSA: PEM, or a JWK Set",
		Accepts: "a readable file of PEM blocks (PUBLIC KEY, CERTIFICATE) or a JWK Set",
	},
	{
		Name: "AUTH_JWT_JWKS_URL", Default: "none",
		Meaning: "`jwt`: where the issuer publishes its keys (JWK Set); fetched again when they are old or a token names another one",
		Accepts: "an https:// URL, or http:// of this machine",
	},
	{
		Name:    "AUTH_JWT_JWKS_MAX_STALE",
		Meaning: "`jwt`: after how long keys of the URL do not count any more that could not be fetched again",
		Accepts: "a duration from 10m to 720h",
	},
	{
		Name: "AUTH_JWT_ISSUER", Default: "any",
		Meaning: "`jwt`: what the claim `iss` has to be, one of a comma list",
		Accepts: "a comma list of issuers",
	},
	{
		Name: "AUTH_JWT_AUDIENCE", Default: "any",
		Meaning: "`jwt`: what the claim `aud` has to have, one of a comma list",
		Accepts: "a comma list of audiences",
	},
	{
		Name:    "AUTH_JWT_USERNAME_CLAIM",
		Meaning: "`jwt`: claim that is the user name, whatever CONNECT says",
		Accepts: "the name of a claim",
	},
	{
		Name: "AUTH_JWT_CLIENT_ID_CLAIM", Default: "any client id",
		Meaning: "`jwt`: claim, a text or a list, that the client id has to be in",
		Accepts: "the name of a claim",
	},
	{
		Name:    "AUTH_JWT_ACL_CLAIM",
		Meaning: "`jwt`: claim with rules of what the client may do",
		Accepts: "the name of a claim",
	},
	{
		Name: "AUTH_JWT_TENANT_CLAIM", Default: "none",
		Meaning: "`jwt`: claim with the tenant whose topic space the client lives in; a token without it has the whole",
		Accepts: "the name of a claim",
	},
	{
		Name: "AUTH_JWT_COOKIE", Default: "none",
		Meaning: "`jwt`: cookie of browsers with the token; `WS_ORIGINS` says whose pages may use it",
		Accepts: "the name of a cookie",
	},
	{
		Name: "AUTH_HTTP_URL", Default: "none",
		Meaning: "`http`: URL that is asked about every login (POST, JSON)",
		Accepts: "an https:// URL, or http:// of this machine or a private network",
	},
	{
		Name: "AUTH_HTTP_TOKEN", Default: "none", Secret: true,
		Meaning: "`http`: sent there as `Authorization: Bearer`",
		Accepts: "a token of visible ASCII characters",
	},
	{
		Name:    "AUTH_MTLS_USERNAME",
		Meaning: "`mtls`: what of the client's certificate is the user name: `cn`, or the first `dns`, `uri` or `email` name",
		Accepts: "cn, dns, uri or email",
	},
	{
		Name:    "AUTH_FAILURES",
		Meaning: "failed logins of a user name from one address at once, with one more every six seconds; ten times as many of an address; 0 is any number",
		Accepts: "a number from 0 to 100000",
	},
	{
		Name: "MAX_PACKET_SIZE", Java: "`maxPacketSizeInByte`",
		Meaning: "largest MQTT packet, in bytes; RocketMQ takes 4 MiB unless configured otherwise",
		Accepts: "a number of bytes from 1024 to 16777216",
	},
	{
		Name: "MAX_CONNECTIONS", Default: "from the file limit and `GOMEMLIMIT`", Java: "`maxConn`",
		Meaning: "clients connected at once to this instance",
		Accepts: "a number from 1 to 1000000",
	},
	{
		Name:    "CONNECT_RATE",
		Meaning: "connections taken in a second, and at once after a quiet second; those beyond wait up to 2 s for their turn; 0 is any number",
		Accepts: "a number from 0 to 1000000",
	},
	{
		Name:    "USER_CONNECT_RATE",
		Meaning: "CONNECTs of one verified user in a second on one instance, and at once after a quiet second; beyond, 0x9F; 0 is any number",
		Accepts: "a number from 0 to 1000000",
	},
	{
		Name:    "PUBLISH_RATE",
		Meaning: "PUBLISHes of one client in a second, and at once after a quiet second; beyond, see `PUBLISH_OVER`; 0 is any number",
		Accepts: "a number from 0 to 1000000",
	},
	{
		Name:    "PUBLISH_BYTES",
		Meaning: "payload bytes that one client publishes in a second, likewise",
		Accepts: "0, or a number of bytes from 4096 to 1073741824",
	},
	{
		Name:    "USER_PUBLISH_RATE",
		Meaning: "PUBLISHes of all clients of one verified user in a second, on one instance",
		Accepts: "a number from 0 to 1000000",
	},
	{
		Name:    "USER_PUBLISH_BYTES",
		Meaning: "their payload bytes",
		Accepts: "0, or a number of bytes from 4096 to 1073741824",
	},
	{
		Name:    "INSTANCE_PUBLISH_RATE",
		Meaning: "PUBLISHes of all clients and HTTP callers of one instance in a second; beyond, they wait for their turns, HTTP is answered 429",
		Accepts: "a number from 0 to 1000000",
	},
	{
		Name:    "INSTANCE_PUBLISH_BYTES",
		Meaning: "their payload bytes",
		Accepts: "0, or a number of bytes from 4096 to 1073741824",
	},
	{
		Name:    "PUBLISH_OVER",
		Meaning: "what becomes of a client beyond its rate or its user's: `wait` (it is not read, TCP holds it back) or `disconnect` (0x96)",
		Accepts: "wait or disconnect",
	},
	{
		Name: "MAX_HANDSHAKES", Default: "1024, or a quarter of `MAX_CONNECTIONS`",
		Meaning: "connections that are no clients yet (before CONNECT, HTTP between requests); beyond, the oldest gives way",
		Accepts: "a number from 1 to 1000000",
	},
	{
		Name:    "MAX_SUBSCRIPTIONS",
		Meaning: "filters of one client",
		Accepts: "a number from 1 to 100000",
	},
	{
		Name: "GOMEMLIMIT", Default: "90 % of the container's memory",
		Meaning: "memory limit of the process, as the Go runtime reads it; from 70 % of it on load is shed. `off` is none",
		Accepts: "bytes, with B, KiB, MiB, GiB or TiB, or off",
	},
	{
		Name: "RECEIVE_MAXIMUM", Java: "`sizeOfNotRollWhenAckSlow`",
		Meaning: "QoS 1 and 2 messages in flight to and from one client",
		Accepts: "a number from 1 to 65535",
	},
	{
		Name:    "SESSION_BINDING",
		Meaning: "`user`: the session of a client id is nobody else's than the verified user's who made it, until it ends; `off`: anybody's who names the client id",
		Accepts: "user or off",
	},
	{
		Name:    "TAKEOVER_BURST",
		Meaning: "takeovers of one client id in quick succession, before further ones have to wait, up to 8 s each; 0 is any number",
		Accepts: "a number from 0 to 1000000",
	},
	{
		Name:    "RETAINED_MAX",
		Meaning: "topics with a retained message, on all instances together; further ones are refused",
		Accepts: "a number from 1 to 1000000000",
	},
	{
		Name:    "RETAINED_MAX_SIZE",
		Meaning: "largest payload that is retained, in bytes",
		Accepts: "a number of bytes from 1 to 16777216",
	},
	{
		Name:    "SHARED_REDELIVERY",
		Meaning: "after this time messages of a shared subscription go to another member if the instance that had them is gone",
		Accepts: "a duration from 10s to 5m",
	},
	{
		Name:    "MAX_FILTERS",
		Meaning: "different filters ever subscribed to, on all instances together, about; then only filters that somebody has are granted. Brokers keep a queue's name for ever: the default is half of `maxLmqConsumeQueueNum=2000000`; 0 is no limit",
		Accepts: "a number from 0 to 1000000000",
	},
	{
		Name:    "MAX_P2P_QUEUES",
		Meaning: "different client ids that ever had a queue of their own (see `P2P`), on all instances together; then new ones get none, and nothing sent to `first/p2p/<client id>` reaches them. Brokers take it on top of `MAX_FILTERS`; 0 is no limit",
		Accepts: "a number from 0 to 1000000000",
	},
	{
		Name:    "MAX_GROUPS",
		Meaning: "groups of shared subscriptions with members on this instance; further ones are refused",
		Accepts: "a number from 1 to 100000",
	},
	{
		Name:    "CONNECT_TIMEOUT",
		Meaning: "from accepting a connection to its complete CONNECT",
		Accepts: "a duration from 1s to 5m",
	},
	{
		Name:    "PACKET_TIMEOUT",
		Meaning: "from the first byte of a client's packet to its last",
		Accepts: "a duration from 1s to 1h",
	},
	{
		Name:    "WRITE_TIMEOUT",
		Meaning: "a client that reads less than 32 KiB of what waits for it in this time is disconnected",
		Accepts: "a duration from 1s to 1h",
	},
	{
		Name:    "KEEPALIVE_MAX",
		Meaning: "longest Keep Alive granted; durations are written `300s`, `5m`, `1h30m`",
		Accepts: "a duration of whole seconds from 5s to 65535s",
	},
	{
		Name:    "SESSION_EXPIRY_MAX",
		Meaning: "longest Session Expiry Interval granted",
		Accepts: "a duration of whole seconds from 0s to 1193046h",
	},
	{
		Name: "MAX_CONNECTION_AGE", Default: "`0`; `55m` on Cloud Run",
		Meaning: "close connections at about this age, with jitter; 0 is never",
		Accepts: "0, or a duration from 2s to 8760h",
	},
	{
		Name:    "DRAIN_TIMEOUT",
		Meaning: "time that SIGTERM leaves for closing connections",
		Accepts: "a duration from 0s to 15m",
	},
	{
		Name: "METRICS_ADDR", Default: "off", Java: "`exporterPort`, `enablePrometheus`",
		Meaning: "Prometheus: `main` is `/metrics` on `PORT`, `host:port` a listener of its own",
		Accepts: "main, host:port, or off",
	},
	{
		Name:    "STATUS_INTERVAL",
		Meaning: "how often the status topics below `$SYS` are published; 0 is never",
		Accepts: "0, or a duration from 1s to 1h",
	},
	{
		Name: "STATUS_USERS", Default: "nobody; `*` when embedded",
		Meaning: "user names that may subscribe to `$SYS/...` and `%SYS_MQTT/...`, comma list; `*` is everybody, `off` nobody",
		Accepts: "a comma list of user names, *, or off",
	},
	{
		Name:    "PRESENCE_EVENTS",
		Meaning: "tell RocketMQ topic `%SYS_MQTT` of clients that come and go, as RocketMQ MQTT does",
		Accepts: acceptsBool,
	},
	{
		Name: "TICK_TOKEN", Default: "off; open when embedded", Secret: true,
		Meaning: "lets a scheduler run `POST /v1/tick` with `Authorization: Bearer` and this token",
		Accepts: "a token of 16 to 512 visible ASCII characters, such as `openssl rand -hex 16` prints",
	},
	{
		Name:    "FUNCTIONS",
		Meaning: "what HTTP callers are offered under `/v1`, comma list of `publish`, `stream` and `push`; `off` is nothing. `push` calls URLs: operators say which (`ADMIN_TOKEN`)",
		Accepts: "a comma list of publish, stream and push, or off",
	},
	{
		Name: "CORS_ORIGINS", Default: "same origin",
		Meaning: "web pages that may call the HTTP functions: comma list of patterns as in `WS_ORIGINS`; with `*`, any page may, without cookies",
		Accepts: "a comma list of patterns such as app.example.com, *.example.com or https://app.example.com",
	},
	{
		Name:    "STREAM_RESUME",
		Meaning: "for how long an HTTP stream can be gone on with after it broke; its filters are held that long",
		Accepts: "0, or a duration from 1s to 24h",
	},
	{
		Name: "PUSH_ALLOW", Default: "none; this machine when embedded",
		Meaning: "what pushes may call beside public addresses by https, by http too: comma list of addresses, networks and host names",
		Accepts: "a comma list of addresses, networks such as 10.0.0.0/8, and names such as hooks.internal or *.internal",
	},
	{
		Name: "EVENTS", Default: "all with `EVENTS_URL`, else none",
		Meaning: "events that are published as `$SYS/events/...`: comma list of `client.connected`, `client.disconnected`, `client.subscribed`, `client.unsubscribed`, `session.expired` and `message.dropped`; `all`, `off`",
		Accepts: "a comma list of client.connected, client.disconnected, client.subscribed, client.unsubscribed, session.expired and message.dropped, or all, or off",
	},
	{
		Name: "EVENTS_URL", Default: "none",
		Meaning: "where events are pushed to, as CloudEvents",
		Accepts: "an https URL with a public address, or what PUSH_ALLOW allows",
	},
	{
		Name: "EVENTS_SECRET", Default: "none", Secret: true,
		Meaning: "signs these requests (Standard Webhooks); two, by comma, while one replaces the other",
		Accepts: "whsec_ and the base64 of 24 to 64 random bytes",
	},
	{
		Name: "ADMIN_TOKEN", Default: "off; open when embedded, on this machine only", Secret: true,
		Meaning: "lets operators use `/v1/admin/...` with `Authorization: Bearer` and this token; nothing else gives that right",
		Accepts: "a token of 16 to 512 visible ASCII characters, such as `openssl rand -hex 16` prints",
	},
	{
		Name: "ADMIN_ADDR", Default: "on `PORT`",
		Meaning: "address of a listener of its own for `/v1/admin/...`",
		Accepts: "host:port, or off",
	},
	{
		Name: "CONSOLE", Default: "`false`; `true` when embedded",
		Meaning: "serve the page `/console`, which tries MQTT out in a browser and shows what operators may see",
		Accepts: acceptsBool,
	},
	{
		Name: "P2P", Java: "`clientP2pTopic`",
		Meaning: "`first/p2p/<client id>/...` goes to that client only, which need not subscribe; `false`: an ordinary topic",
		Accepts: acceptsBool,
	},
	{
		Name: "LMQ_KV_COMPAT", Java: "wildcards by `mqadmin updateKvConfig -s LMQ`",
		Meaning: "beside Java gateways: messages go to their clients' queues too, as the lists in the name server say",
		Accepts: acceptsBool,
	},
	{
		Name: "RELAY_TOPICS", Default: "none",
		Meaning: "RocketMQ topics of producers that know nothing of MQTT, whose messages are published to MQTT clients: comma list of `topic`, which appears as `relay/<topic>`, " +
			"or `topic=a/pattern` with `{topic}`, `{tag}`, `{key}` and `{property:NAME}`",
		Accepts: "a comma list such as orders,alarms=plant/{tag}",
	},
	{
		Name:    "RELAY_FROM",
		Meaning: "where relaying of a queue begins that was never relayed: `end` or `beginning`",
		Accepts: "end or beginning",
	},
	{
		Name:    "ALLOW_EMBEDDED",
		Meaning: "start with embedded servers where that loses data: on Cloud Run and ECS, or with one real server only",
		Accepts: acceptsBool,
	},
	{
		Name: "TRUSTED_PROXIES", Default: "none",
		Meaning: "addresses whose `X-Forwarded-For` and PROXY headers are believed",
		Accepts: "a comma list of IP addresses and networks such as 10.0.0.0/8",
	},
	{
		Name:    "PROXY_PROTOCOL",
		Meaning: "connections of `TRUSTED_PROXIES` begin with a PROXY protocol header",
		Accepts: acceptsBool + ", on only together with TRUSTED_PROXIES",
	},
	{
		Name:    "LOG_LEVEL",
		Meaning: "`debug`, `info`, `warn`, `error`",
		Accepts: "debug, info, warn or error", Java: "logback.xml",
	},
	{
		Name: "LOG_CLIENTS", Default: "nobody",
		Meaning: "clients of which everything is logged, each packet too, whatever `LOG_LEVEL` says: comma list of client ids and patterns such as `sensor-*`",
		Accepts: "a comma list of client ids and patterns with * and ?",
	},
	{
		Name: "LOG_FORMAT", Default: "`json`; `text` on a terminal",
		Meaning: "`json` or `text`",
		Accepts: "json or text", Java: "logback.xml",
	},
	{
		Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Default: "none: tracing is off",
		Meaning: "OpenTelemetry collector that traces are sent to; `/v1/traces` is put behind it",
		Accepts: "a URL such as http://collector:4318",
	},
	{
		Name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", Default: "none",
		Meaning: "the same, as the whole URL",
		Accepts: "a URL such as http://collector:4318/v1/traces",
	},
	{
		Name: "OTEL_EXPORTER_OTLP_HEADERS", Default: "none", Secret: true,
		Meaning: "headers for the collector, such as `authorization=Bearer%20...`",
		Accepts: "a comma list of name=value, values percent-encoded",
	},
	{
		Name:    "OTEL_EXPORTER_OTLP_PROTOCOL",
		Meaning: "there is no other",
		Accepts: "http/protobuf",
	},
	{
		Name:    "OTEL_TRACES_EXPORTER",
		Meaning: "`otlp` or `none`",
		Accepts: "otlp or none",
	},
	{
		Name:    "OTEL_TRACES_SAMPLER",
		Meaning: "which traces are kept, where the client or application has not decided that",
		Accepts: "always_on, always_off, traceidratio, or one of these with parentbased_ before it",
	},
	{
		Name: "OTEL_TRACES_SAMPLER_ARG", Default: "`1`",
		Meaning: "share of traces that a `traceidratio` sampler keeps",
		Accepts: "a number from 0 to 1",
	},
	{
		Name:    "OTEL_SERVICE_NAME",
		Meaning: "`service.name` of the spans",
		Accepts: "a name",
	},
	{
		Name:    "OTEL_SDK_DISABLED",
		Meaning: "no traces, whatever the others say",
		Accepts: acceptsBool,
	},
}

const acceptsBool = "true or false (also on, off, yes, no, 1, 0)"

// lookup returns the variable of that name, or nil.
func lookup(name string) *Var {
	for i := range vars {
		if vars[i].Name == name {
			return &vars[i]
		}
	}
	return nil
}

func accepts(name string) string {
	if v := lookup(name); v != nil {
		return v.Accepts
	}
	return "another value"
}

func isSecret(name string) bool {
	v := lookup(name)
	return v != nil && v.Secret
}
