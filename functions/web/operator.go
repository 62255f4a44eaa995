package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// OperatorConfig of an Operator.
type OperatorConfig struct {
	// Token is what callers say as Authorization: Bearer. "" lets in whoever reaches this by an address of this machine, and not by a
	// name that a web page could have chosen.
	Token   string
	Address func(r *http.Request) netip.Addr // of the caller, for the log; nil: that of the connection
	Logger  *slog.Logger                     // nil: nothing is logged
}

// Operator lets operators in, and nobody else: no right of a client implies it. Safe for concurrent use.
type Operator struct {
	cfg   OperatorConfig
	token [sha256.Size]byte
	wrong limiter
}

// NewOperator returns an Operator.
func NewOperator(cfg OperatorConfig) *Operator {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Operator{cfg: cfg, token: sha256.Sum256([]byte(cfg.Token))}
}

// Admits reports whether the caller is an operator; if not, it has answered.
func (o *Operator) Admits(w http.ResponseWriter, r *http.Request) bool {
	p := o.refusal(r)
	if p == nil {
		return true
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="lmqgate admin"`)
	}
	p.Write(w)
	return false
}

// refusal is nil for who has the token; it is found out in a time that tells nothing of it.
func (o *Operator) refusal(r *http.Request) *Problem {
	if o.cfg.Token == "" {
		if !byAddress(r.Host) {
			return Refuse(http.StatusForbidden, "without ADMIN_TOKEN only by an address of this machine, such as 127.0.0.1")
		}
		return nil
	}
	scheme, said, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(strings.TrimSpace(said)))
	if subtle.ConstantTimeCompare(sum[:], o.token[:]) == 1 && strings.EqualFold(scheme, "Bearer") {
		return nil
	}
	if said != "" {
		if o.wrong.over() {
			return Later(http.StatusTooManyRequests, 10, "too many wrong tokens, try again later")
		}
		o.wrong.count()
		o.cfg.Logger.Warn("admin: wrong token", "address", o.Caller(r))
	}
	return Refuse(http.StatusUnauthorized, "say Authorization: Bearer with the token that the gateway has in ADMIN_TOKEN")
}

// byAddress reports whether a Host header names a loopback address: the page of another site, whose name may lead here, has that
// name in it.
func byAddress(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Caller is the caller's address, for logs.
func (o *Operator) Caller(r *http.Request) string {
	if o.cfg.Address != nil {
		return o.cfg.Address(r).String()
	}
	return r.RemoteAddr
}

// limiter counts wrong tokens of everybody: twenty at once, and one every two seconds, so that the log stays readable.
type limiter struct {
	mu sync.Mutex // protects the fields below
	n  float64
	at time.Time
}

const (
	mostWrong  = 20
	wrongEvery = 2 * time.Second
)

// left is the count by now. Called under l.mu.
func (l *limiter) left() float64 {
	return max(0, l.n-float64(time.Since(l.at))/float64(wrongEvery))
}

func (l *limiter) over() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left() > mostWrong-1
}

func (l *limiter) count() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n, l.at = l.left()+1, time.Now()
}
