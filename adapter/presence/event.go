package presence

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/meta/session"
)

// Info is one accepted connection. Its fields are those of client.Present, so that one converts into the other.
type Info struct {
	ClientID   string
	Username   string
	Address    netip.Addr
	Transport  string // "ws", "tcp", "tls"
	Version    packet.Version
	CleanStart bool
	KeepAlive  time.Duration // agreed on; 0 = off
	Epoch      session.Epoch
	At         time.Time // when CONNECT was accepted
}

// Types of events.
const (
	typeConnect    = "CLIENT_CONNECT"
	typeDisconnect = "CLIENT_DISCONNECT"
)

// body is the JSON of an event; the package doc explains it.
type body struct {
	ChannelID string `json:"channelId"`
	ClientID  string `json:"clientId"`
	EventInfo string `json:"eventInfo,omitempty"`
	EventTime int64  `json:"eventTime"`
	EventType string `json:"eventType"`
	Host      string `json:"host,omitempty"`
	IP        string `json:"ip,omitempty"`
	PacketID  int    `json:"packetId"`
	Port      int    `json:"port"`

	Epoch      uint64 `json:"epoch"`
	Instance   string `json:"instance"`
	KeepAlive  *int64 `json:"keepAlive,omitempty"`
	Protocol   byte   `json:"protocol,omitempty"`
	ReasonCode *byte  `json:"reasonCode,omitempty"`
	Transport  string `json:"transport,omitempty"`
	Username   string `json:"username,omitempty"`

	queued time.Time
}

// about fills in what is known of a connection.
func about(i Info, instance string) body {
	seconds := int64(i.KeepAlive / time.Second)
	b := body{
		ChannelID: fmt.Sprintf("%s:%d", instance, i.Epoch), ClientID: i.ClientID, Epoch: uint64(i.Epoch), Instance: instance,
		KeepAlive: &seconds, Protocol: byte(i.Version), Transport: i.Transport, Username: i.Username,
	}
	if i.Address.IsValid() {
		b.IP = i.Address.Unmap().WithZone("").String()
		b.Host = b.IP
	}
	return b
}

// came is the event of a client that connected.
func came(i Info, instance string) body {
	b := about(i, instance)
	b.EventType, b.EventTime = typeConnect, i.At.UnixMilli()
	return b
}

// went is the event of one whose connection ended.
func went(i Info, instance string, code packet.ReasonCode, at time.Time) body {
	b := about(i, instance)
	raw := byte(code)
	b.EventType, b.EventTime, b.EventInfo, b.ReasonCode = typeDisconnect, at.UnixMilli(), code.String(), &raw
	return b
}

// swept is the event of one that a dead instance held.
func swept(clientID, instance string, at time.Time) body {
	return body{
		ChannelID: instance + ":0", ClientID: clientID, Instance: instance,
		EventType: typeDisconnect, EventTime: at.UnixMilli(), EventInfo: "instance gone",
	}
}

// encode writes the JSON without escapes that only HTML needs, as fastjson does.
func (b body) encode() []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(b); err != nil { // it has no type that could fail
		return []byte("{}")
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}
