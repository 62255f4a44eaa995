package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// formerly maps names that people bring along, the keys of RocketMQ MQTT (Java) among them, to what they are here.
// The keys are in lower case without separators, so mqttWsPort, MQTT_WS_PORT and mqtt.ws.port are one.
var formerly = map[string]string{
	"mqttwsport":               "PORT",
	"mqttport":                 "MQTT_TCP_ADDR",
	"mqtttlsport":              "MQTT_TLS_ADDR",
	"enabletlssever":           "MQTT_TLS_ADDR with TLS_CERT_FILE and TLS_KEY_FILE",
	"enabletlsserver":          "MQTT_TLS_ADDR with TLS_CERT_FILE and TLS_KEY_FILE",
	"sslservercertfile":        "TLS_CERT_FILE",
	"sslserverkeyfile":         "TLS_KEY_FILE",
	"sslserverkeypassword":     "nothing: TLS_KEY_FILE is a PEM file without a password",
	"sslcacertfile":            "TLS_CLIENT_CA_FILE",
	"needclientauth":           "TLS_CLIENT_CA_FILE",
	"metaaddr":                 "REDIS_URL",
	"allnodeaddress":           "REDIS_URL",
	"metaport":                 "REDIS_URL",
	"membersaddress":           "REDIS_URL",
	"secretkey":                "AUTH_SECRET_KEY",
	"maxpacketsizeinbyte":      "MAX_PACKET_SIZE",
	"maxconn":                  "MAX_CONNECTIONS",
	"sizeofnotrollwhenackslow": "RECEIVE_MAXIMUM",
	"serverreceivemaximum":     "RECEIVE_MAXIMUM",
	"exporterport":             "METRICS_ADDR",
	"enableprometheus":         "METRICS_ADDR",
	"exportjvminfo":            "METRICS_ADDR",
	"clientp2ptopic":           "P2P",
	"staticfirsttopics":        "FIRST_TOPICS",
	"allfirsttopics":           "FIRST_TOPICS",
	"lmqconnectnodes":          "nothing: instances find each other in Redis",
	"enablemetamodule":         "nothing: retained messages and wills are in Redis",
	"retainmsgexpire":          "RETAINED_MAX, and the Message Expiry Interval of each message",
	"eventnotifyretrytopic":    "nothing: instances do not notify each other",
	"eventnotifyretrymaxtime":  "nothing: instances do not notify each other",
	"csrpcport":                "nothing: instances do not notify each other",
	"rpclistenport":            "nothing: instances do not notify each other",
	"clientretrytopic":         "nothing: unacknowledged messages are kept by cursors",
	"maxretrytime":             "nothing: unacknowledged messages are sent again when the client comes back",
	"retryintervalseconds":     "nothing: unacknowledged messages are sent again when the client comes back",
	"auththreadnum":            "nothing",
	"nettyselectorthreadnum":   "nothing (GOMAXPROCS)",
	"nettyworkerthreadnum":     "nothing (GOMAXPROCS)",
	"highwater":                "WRITE_TIMEOUT and GOMEMLIMIT",
	"lowwater":                 "WRITE_TIMEOUT and GOMEMLIMIT",
	"pullbatchsize":            "GOMEMLIMIT",
	"queuecachesize":           "GOMEMLIMIT",

	"maxtransfercountonmessageindisk": "GOMEMLIMIT",
	"topicaliasmaximum":               "nothing: topic aliases are on",
	"enablesharedsubscription":        "nothing: it is on",
	"enableretain":                    "nothing: it is on",
	"enablesubscriptionidentifier":    "nothing: it is on",
	"enablequic":                      "nothing: QUIC is not served",
	"quicport":                        "nothing: QUIC is not served",
	"enablecoapconnect":               "nothing: CoAP is not served",
	"coapport":                        "nothing: CoAP is not served",
	"coapsessiontimeout":              "nothing: CoAP is not served",
	"raftdatapath":                    "nothing: there is no local state",
	"electiontimeoutms":               "nothing: there are no meta nodes",
	"snapshotintervalsecs":            "nothing: there are no meta nodes",
	"raftgroupnum":                    "nothing: there are no meta nodes",

	"redishost":       "REDIS_URL",
	"redisaddr":       "REDIS_URL",
	"redisaddress":    "REDIS_URL",
	"redispassword":   "REDIS_URL",
	"redistls":        "REDIS_URL (rediss://)",
	"namesrv":         "NAMESRV_ADDR",
	"nameserver":      "NAMESRV_ADDR",
	"nameserveraddr":  "NAMESRV_ADDR",
	"rocketmqnamesrv": "NAMESRV_ADDR",
	"mqttwspath":      "WS_PATH",
	"maxconnections":  "MAX_CONNECTIONS",
}

// formerlyAsIs are keys of RocketMQ MQTT that are taken for such only as they were written there: in capitals they may be
// anybody's.
var formerlyAsIs = map[string]string{
	"selfAddress": "REDIS_URL",
	"clusterName": "REDIS_PREFIX",
	"dbPath":      "nothing: there is no local state",
	"order":       "nothing: order holds per publisher, topic and QoS",
}

// kubernetesLink are variables that Kubernetes sets for a service that happens to have a name like ours.
var kubernetesLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT.*|PORT|PORT_[0-9]+_(TCP|UDP).*)$`)

// unknown points out variables that look meant for the gateway and are not read by it. It names them only: a value
// under a mistyped name may be a secret.
func unknown(set map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if lookup(name) != nil || kubernetesLink.MatchString(name) || strings.HasPrefix(name, "LMQGATE_") {
			continue
		}
		if hint := meant(name); hint != "" {
			out = append(out, fmt.Sprintf("%s is not read by the gateway; it is now %s", name, hint))
		} else if near := nearest(name); near != "" {
			out = append(out, fmt.Sprintf("%s is not read by the gateway; did you mean %s?", name, near))
		}
	}
	return out
}

// meant returns what stands for a former name, "" if it is none.
func meant(name string) string {
	if hint := formerlyAsIs[name]; hint != "" {
		return hint
	}
	return formerly[strings.ToLower(strings.NewReplacer("_", "", ".", "", "-", "").Replace(name))]
}

// nearest returns the variable that name is a typo of: at most two edits away for long names, one for short ones.
// Three letters and fewer are nobody's typo.
func nearest(name string) string {
	best, least := "", 3
	for _, v := range vars {
		allowed := 2
		if len(v.Name) < 8 {
			allowed = 1
		}
		if len(v.Name) < 4 {
			continue
		}
		if d := distance(strings.ToUpper(name), v.Name); d <= allowed && d < least {
			best, least = v.Name, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two short strings; it gives up (returns a large number) on a long one.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
