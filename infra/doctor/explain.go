package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"syscall"

	"lmqgate/adapter/rocketmq"
)

// hint says what an error means: the first whose text is part of it.
type hint struct{ text, public, remedy string }

// redisHints are answers of Redis.
var redisHints = []hint{
	{"LOADING", "loading its data", "Redis is loading its data and will answer by itself"},
	{"MASTERDOWN", "without its master", "REDIS_URL names a replica whose master is away; name the master, its Sentinels, or wait for the failover"},
	{"READONLY", "read-only", "REDIS_URL names a replica, which takes no writes; name the master or its Sentinels"},
	{"OOM", "out of memory", "Redis has reached its maxmemory: raise it (maxmemory-policy has to be noeviction)"},
	{"MISCONF", "cannot save", "Redis refuses writes since it cannot save to its disk; look at its log"},
	{"NOAUTH", "login refused", "Redis wants a password: REDIS_URL=redis://user:password@host:port"},
	{"WRONGPASS", "login refused", "REDIS_URL has a wrong user or password (escape @ : / , in it as %40 %3A %2F %2C)"},
	{"invalid password", "login refused", "REDIS_URL has a wrong password"},
	{"without any password configured", "login refused", "REDIS_URL has a password, Redis has none; leave it out"},
	{"NOPERM", "login refused", "the user of REDIS_URL may not do what is needed: " + redisRights},
	{"CLUSTERDOWN", "cluster is down", "Redis Cluster does not serve all slots; look at CLUSTER INFO"},
	{"MOVED", "is a cluster", "REDIS_URL names a node of a Redis Cluster: set REDIS_CLUSTER=true"},
	{"cluster support disabled", "is no cluster", "REDIS_CLUSTER=true, but REDIS_URL names a single server"},
	{"NOREPLICAS", "too few replicas", "Redis refuses writes: fewer replicas than its min-replicas-to-write"},
	{"DENIED", "login refused", "Redis is in protected mode; give it a password or bind it to an address"},
}

// ExplainRedis says what an error of Redis means: in public words, without addresses, and for the operator which variable is
// concerned and what can be done.
func ExplainRedis(err error) (public, remedy string) {
	return explain(err, target{
		variable: "REDIS_URL", peer: "Redis", hints: redisHints, authorities: "REDIS_CA_FILE",
		name: "the certificate is for another name than the host in REDIS_URL", plain: "write redis:// for rediss:// in REDIS_URL",
		tls: "rediss:// in REDIS_URL",
	})
}

// rocketHints are answers of RocketMQ, or of our client.
var rocketHints = []hint{
	{"knows no broker", "no broker", "the name server of NAMESRV_ADDR answers but no broker has told it of itself: start one with namesrvAddr in broker.conf"},
	{"broker busy", "busy", "the broker refuses work; look at its load and its disk"},
}

// ExplainRocketMQ is the same for an error of RocketMQ.
func ExplainRocketMQ(err error) (public, remedy string) {
	if errors.Is(err, rocketmq.ErrStalled) {
		return "does not index", "a broker acknowledges messages that nobody can read: " + lmqRemedy +
			", if they are not set; else look at its log for errors of the reput or dispatch service (lmqgate doctor says which)"
	}
	if public, remedy := explainSecured(err); public != "" {
		return public, remedy
	}
	if strings.Contains(err.Error(), "broker ") && !strings.Contains(err.Error(), "knows no broker") && !strings.Contains(err.Error(), "ask for brokers") {
		return "broker not reachable", "the name server of NAMESRV_ADDR answers, the broker it names does not: does it run, and is " +
			"brokerIP1 in its broker.conf an address that can be reached from here? One that wants TLS (ROCKETMQ_TLS=true) hangs up too"
	}
	return explain(err, target{
		variable: "NAMESRV_ADDR", peer: "the name server", hints: rocketHints, tls: "ROCKETMQ_TLS=true",
	})
}

// target is what an error is explained for.
type target struct {
	variable, peer string
	hints          []hint
	authorities    string // the variable that names the authorities' file
	name           string // what to do about a certificate for another name
	plain          string // what to do where no TLS is spoken
	tls            string // how TLS is switched on
}

// explain says what an error means that came of dialing what a variable names, or of its answer.
func explain(err error, to target) (public, remedy string) {
	variable, peer := to.variable, to.peer
	for _, h := range to.hints {
		if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(h.text)) {
			return h.public, h.remedy
		}
	}
	var (
		dns       *net.DNSError
		unknown   x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		host      x509.HostnameError
		noTLS     tls.RecordHeaderError
		timed     net.Error
		closed    = errors.Is(err, syscall.ECONNRESET) || strings.Contains(err.Error(), "EOF")
		isTimeout = errors.As(err, &timed) && timed.Timeout() || errors.Is(err, context.DeadlineExceeded)
	)
	switch {
	case errors.As(err, &dns):
		return "not reachable", "the host name in " + variable + " cannot be looked up; check it, and the DNS of this network"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "not reachable", "nothing listens at the address in " + variable + "; check it, and whether " + peer + " runs"
	case errors.As(err, &unknown):
		return "certificate not accepted", "the certificate is signed by an unknown authority: name its PEM file in " + to.authorities
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "certificate not accepted", "the certificate is not valid now: check its dates and the clock of this machine"
	case errors.As(err, &host):
		return "certificate not accepted", to.name
	case errors.As(err, &noTLS):
		return "no TLS", peer + " speaks no TLS there; " + to.plain
	case isTimeout:
		return "no answer", "no answer from the address in " + variable + "; check it, firewalls and network rules between (the first connection on Cloud Run may take a minute)"
	case closed:
		return "not reachable", peer + " closes the connection; check that the address in " + variable + " is right, and whether it wants TLS (" + to.tls + ")"
	}
	return "not available", "check " + variable + " and whether " + peer + " runs"
}
