package transport

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"
)

// subprotocols in the order of our preference. A client has to offer one of them [MQTT-6.0.0-3] and gets it named in
// the answer [MQTT-6.0.0-4]; "mqttv3.1" is what clients older than MQTT 3.1.1 ask for.
var subprotocols = [...]string{"mqtt", "mqttv3.1"}

// ServeHTTP upgrades a request to an MQTT connection, or says why not. It returns when the connection is on a goroutine
// of its own, so that the HTTP server's goroutine and buffers go.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if no := s.judge(r); no != nil {
		s.refuse(w, r, no)
		return
	}
	if no := s.reserve(r); no != nil {
		s.refuse(w, r, no)
		return
	}
	if !s.upgrade(w, r) {
		s.reg.release()
	}
}

// reserve takes a place for the connection that r is to become, when its turn has come, or says why there is none.
func (s *Server) reserve(r *http.Request) *refusal {
	stopping := &refusal{http.StatusServiceUnavailable, refusedDraining, "this instance is stopping, connect again"}
	if s.away.Load() {
		return stopping
	}
	wait, ok := s.rate.take()
	if !ok {
		return &refusal{http.StatusServiceUnavailable, refusedRate, "too many connections come at once, try again"}
	}
	if wait > 0 {
		s.sleep(r.Context(), wait)
	}
	if why := s.admit(s.cfg.clientAddr(r).Addr()); why != "" {
		return &refusal{http.StatusServiceUnavailable, string(why), "this instance is overloaded, connect again later"}
	}
	switch s.reg.reserve() {
	case draining:
		return stopping
	case full:
		return &refusal{http.StatusServiceUnavailable, refusedFull, "this instance has all the connections it can hold"}
	}
	return nil
}

// refusal is a request that does not become a connection: HTTP status, metric label, words for a person.
type refusal struct {
	status int
	reason string
	words  string
}

// judge returns what keeps r from being upgraded, nil if nothing does. Versions and keys are left to the library.
func (s *Server) judge(r *http.Request) *refusal {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &refusal{http.StatusMethodNotAllowed, refusedMethod, "a WebSocket begins with GET"}
	}
	if !hasToken(r.Header, "Connection", "upgrade") || !hasToken(r.Header, "Upgrade", "websocket") {
		return &refusal{http.StatusUpgradeRequired, refusedNoUpgrade, fmt.Sprintf(
			"%s is an MQTT over WebSocket endpoint: connect with an MQTT client, or with a WebSocket that asks for the "+
				"subprotocol \"mqtt\" (MQTT 3.1.1 and 5.0) or \"mqttv3.1\" and sends binary frames", r.URL.Path)}
	}
	if !originAllowed(r, s.cfg.Origins) {
		return &refusal{http.StatusForbidden, refusedOrigin, fmt.Sprintf(
			"pages of origin %q may not connect here: add it to WS_ORIGINS", r.Header.Get("Origin"))}
	}
	if pick(r.Header) == "" {
		return &refusal{
			http.StatusBadRequest, refusedSubprotocol,
			"ask for the WebSocket subprotocol \"mqtt\" (Sec-WebSocket-Protocol: mqtt)",
		}
	}
	return nil
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, no *refusal) {
	switch no.status {
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", "GET, HEAD")
	case http.StatusUpgradeRequired:
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "websocket")
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Connection", "close") // the next attempt may then reach another instance
	}
	if no.status == http.StatusServiceUnavailable {
		s.refusing(kindWS, Refusal(no.reason))
	} else {
		s.met.refuse(kindWS, no.reason)
	}
	http.Error(w, no.words, no.status)
	s.log.Debug("websocket refused", "reason", no.reason, "remote", s.cfg.clientAddr(r).Addr())
}

// upgrade makes r a connection and starts it. If it returns false an error has been answered.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request) bool {
	sub := pick(r.Header)
	c := &Conn{srv: s, kind: kindWS, remote: s.cfg.clientAddr(r), header: keptHeader(r, s.cfg.Origins)}
	r.Header.Set("Sec-WebSocket-Protocol", sub) // the library would go by the client's spelling
	c.ws = &wsStream{conn: c, sub: sub}
	lib, err := websocket.Accept(&upgradeWriter{w, c}, r, &websocket.AcceptOptions{
		Subprotocols:       []string{sub},
		InsecureSkipVerify: true, // judge has looked at the origin
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		s.met.refuse(kindWS, refusedHandshake)
		s.log.Debug("websocket refused", "reason", refusedHandshake, "remote", c.remote.Addr(), "error", err)
		return false
	}
	lib.SetReadLimit(s.cfg.ReadLimit)
	c.ws.br.Reset(c.ws) // nothing was read yet; the library has put a reader in between that would wait on the stack
	c.ws.lib = lib
	s.start(c)
	return true
}

// upgradeWriter gives the library a socket with our stream before it, and buffers as small as they can be: those of
// the HTTP server, 4 KiB each way, would stay with the connection for its life.
type upgradeWriter struct {
	http.ResponseWriter
	conn *Conn
}

// Hijack takes the socket from the HTTP server.
func (u *upgradeWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, brw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	read, err := brw.Reader.Peek(brw.Reader.Buffered())
	if err != nil {
		return nil, nil, err
	}
	c, ws := u.conn, u.conn.ws
	raw = bare(raw)
	c.raw, ws.Conn = raw, raw
	if len(read) > 0 {
		ws.rest = slices.Clone(read)
	}
	tune(raw)
	ws.br = bufio.NewReaderSize(ws, wsReadBuffer)
	return ws, bufio.NewReadWriter(ws.br, bufio.NewWriterSize(ws, wsWriteBuffer)), nil
}

// keptHeader copies what authentication and logs may want; the rest of the request is let go. Of the subprotocols that are
// tokens. A cookie comes by itself with whatever page connects: it counts where the page is the gateway's own or listed, not
// where any page may connect.
func keptHeader(r *http.Request, origins []string) http.Header {
	kept := http.Header{}
	for _, name := range [...]string{"Authorization", "Cookie", "User-Agent"} {
		if v := r.Header.Values(name); len(v) > 0 {
			kept[name] = slices.Clone(v)
		}
	}
	if !originAllowed(r, slices.DeleteFunc(slices.Clone(origins), anyOrigin)) {
		kept.Del("Cookie")
	}
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for offer := range strings.SplitSeq(line, ",") {
			if offer = strings.TrimSpace(offer); strings.HasPrefix(offer, "bearer.") {
				kept.Add("Sec-WebSocket-Protocol", strings.Clone(offer))
			}
		}
	}
	return kept
}

// anyOrigin reports whether a pattern lets in every host.
func anyOrigin(pattern string) bool {
	_, host, ok := strings.Cut(pattern, "://")
	if !ok {
		host = pattern
	}
	return strings.Trim(host, "*:") == ""
}

// pick is the subprotocol to answer with, empty if the client offers none of ours. Names are compared exactly.
func pick(h http.Header) string {
	for _, want := range subprotocols {
		for _, line := range h.Values("Sec-WebSocket-Protocol") {
			for offer := range strings.SplitSeq(line, ",") {
				if strings.TrimSpace(offer) == want {
					return want
				}
			}
		}
	}
	return ""
}

// hasToken says whether a comma list header has the token, in any case.
func hasToken(h http.Header, name, token string) bool {
	for _, line := range h.Values(name) {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}
