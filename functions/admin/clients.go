package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"lmqgate/meta/session"
)

// States of a client.
const (
	Connected = "connected" // an instance owns its connection
	Away      = "away"      // its session is kept
	Ended     = "ended"     // its session is over, what it held is being released
)

// Client is a client id that has a connection or a session.
type Client struct {
	ID       string     `json:"client_id"`
	State    string     `json:"state"`
	Instance string     `json:"instance"` // that owns or last owned it
	User     string     `json:"user"`
	Address  string     `json:"address"`
	Protocol string     `json:"protocol"`
	Epoch    uint64     `json:"epoch"`
	Since    *time.Time `json:"since"`   // when the current or last connection began
	Expiry   string     `json:"expiry"`  // how long the session outlives the connection: a duration, or "never" ends
	Expires  *time.Time `json:"expires"` // when the session of a client that is away ends; null: never, or it is connected
}

// ClientQuery says which clients are wanted; its zero value means all.
type ClientQuery struct {
	Pattern  string // of the client id, with `*`
	User     string // with `*`
	Instance string // with `*`
	State    string // "" = any
	Cursor   string
	Limit    int // 0 = 100
}

// Clients is one page. It may have a few more than the limit, and fewer, even none, while Next is not empty.
type Clients struct {
	Clients []Client `json:"clients"`
	Next    string   `json:"next"` // cursor of the next page, "" at the end
}

// Clients lists clients in no particular order, each page sorted by client id. A client that comes or goes meanwhile may be
// left out, and one may come twice; one that stays is in it.
func (a *Admin) Clients(ctx context.Context, q ClientQuery) (Clients, error) {
	if literal(q.Pattern) {
		return a.only(ctx, q)
	}
	limit := page(q.Limit)
	out := Clients{Clients: []Client{}, Next: q.Cursor}
	seen := make(map[string]bool)
	for looked := 0; looked < looksPerCall; {
		infos, next, err := a.cfg.Sessions.List(ctx, out.Next, min(limit, scanPage))
		if err != nil {
			return Clients{}, err
		}
		looked += max(len(infos), min(limit, scanPage))
		for i := range infos {
			if c := client(&infos[i]); q.wants(&c) && !seen[c.ID] {
				seen[c.ID] = true
				out.Clients = append(out.Clients, c)
			}
		}
		if out.Next = next; next == "" || len(out.Clients) >= limit {
			break
		}
	}
	slices.SortFunc(out.Clients, func(a, b Client) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

// only is Clients for one client id: nothing has to be scanned.
func (a *Admin) only(ctx context.Context, q ClientQuery) (Clients, error) {
	out := Clients{Clients: []Client{}}
	info, _, err := a.cfg.Sessions.Peek(ctx, q.Pattern)
	if errors.Is(err, session.ErrNotFound) {
		return out, nil
	}
	if err != nil {
		return Clients{}, err
	}
	if c := client(&info); q.wants(&c) {
		out.Clients = append(out.Clients, c)
	}
	return out, nil
}

func (q *ClientQuery) wants(c *Client) bool {
	return matches(q.Pattern, c.ID) && matches(q.User, c.User) && matches(q.Instance, c.Instance) && (q.State == "" || q.State == c.State)
}

func client(i *session.Info) Client {
	c := Client{
		ID: i.ClientID, State: Away, Instance: i.Instance, User: i.Username, Address: i.Address,
		Protocol: protocol(i.Protocol), Epoch: uint64(i.Epoch), Since: timestamp(i.Since), Expiry: i.Expiry.String(),
	}
	if i.Expiry >= session.Never {
		c.Expiry = "never"
	}
	switch {
	case i.Ended:
		c.State = Ended
	case i.Connected:
		c.State = Connected
	default:
		c.Expires = timestamp(i.Expires)
	}
	return c
}

// protocol names an MQTT version by its byte in CONNECT.
func protocol(b byte) string {
	switch b {
	case 3:
		return "3.1"
	case 4:
		return "3.1.1"
	case 5:
		return "5.0"
	}
	return ""
}
