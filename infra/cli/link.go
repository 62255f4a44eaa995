package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/eclipse/paho.golang/paho"
	"github.com/eclipse/paho.golang/paho/session"
)

const (
	keepAlive      = 30 // seconds; below the 60 s after which many load balancers drop an idle connection
	connectTimeout = 15 * time.Second
	receiveMaximum = 64
)

// link is one MQTT connection, from CONNACK to its end.
type link struct {
	*paho.Client
	connack *paho.Connack
	// gone gets the first cause of the link's end, unless that is leave. A *refusal is a DISCONNECT of the server.
	gone chan error
}

// connect dials and sends CONNECT. Session state lives in state, so that what was in flight goes on over the next link.
// A refusal by the server is returned as *refusal.
func connect(ctx context.Context, o *options, state session.SessionManager, received func(paho.PublishReceived) (bool, error)) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	conn, err := dial(ctx, o.url)
	if err != nil {
		return nil, err
	}
	l := &link{gone: make(chan error, 1)}
	cfg := paho.ClientConfig{
		Conn: conn, Session: state, PacketTimeout: max(connectTimeout, o.timeout),
		OnClientError: l.ended,
		OnServerDisconnect: func(d *paho.Disconnect) {
			r := &refusal{what: "connection", code: d.ReasonCode}
			if d.Properties != nil {
				r.detail = d.Properties.ReasonString
			}
			l.ended(r)
		},
	}
	if received != nil {
		cfg.OnPublishReceived = []func(paho.PublishReceived) (bool, error){received}
	}
	l.Client = paho.NewClient(cfg)
	l.connack, err = l.Connect(ctx, connectPacket(o))
	switch {
	case l.connack != nil && l.connack.ReasonCode >= 0x80:
		r := &refusal{what: "connection", code: l.connack.ReasonCode}
		if l.connack.Properties != nil {
			r.detail = l.connack.Properties.ReasonString
		}
		return nil, r
	case err != nil:
		_ = conn.Close()
		return nil, fmt.Errorf("wait for CONNACK of %s: %w", o.url, err)
	}
	return l, nil
}

// connectPacket is the CONNECT that the flags ask for.
func connectPacket(o *options) *paho.Connect {
	window := uint16(receiveMaximum)
	p := &paho.Connect{
		ClientID: o.clientID, KeepAlive: keepAlive, CleanStart: o.session == 0,
		Username: o.user, UsernameFlag: o.user != "",
		Password: []byte(o.password), PasswordFlag: o.password != "",
		Properties: &paho.ConnectProperties{ReceiveMaximum: &window, RequestProblemInfo: true},
	}
	if o.session > 0 {
		expiry := uint32(o.session / time.Second)
		p.Properties.SessionExpiryInterval = &expiry
	}
	return p
}

// ended notes why the link ended. paho may report several causes; the first one counts.
func (l *link) ended(err error) {
	select {
	case l.gone <- err:
	default:
	}
}

// leave sends DISCONNECT and waits until all goroutines of the link have ended.
func (l *link) leave() { _ = l.Disconnect(&paho.Disconnect{ReasonCode: 0}) }
