package gateway

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"lmqgate/adapter/packet"
	"lmqgate/functions/admin"
	"lmqgate/functions/openapi/openapitest"
)

// asks makes an admin request and reads the answer into a struct, if it is one that was wanted.
func asks(t *testing.T, at, method, path, token string, want int, into any) {
	t.Helper()
	r, err := http.NewRequest(method, "http://"+at+"/v1/admin/"+path, nil)
	must(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := openapitest.Client(t, openapitest.All(t)).Do(r)
	must(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != want {
		t.Errorf("%s %s: %d %s, want %d", method, path, resp.StatusCode, body, want)
		return
	}
	if kind := resp.Header.Get("Content-Type"); want != http.StatusOK && kind != "application/problem+json" || resp.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%s %s: %s, %v", method, path, kind, resp.Header)
	}
	if into != nil {
		must(t, json.Unmarshal(body, into))
	}
}

// TestAdminHTTP: what operators see and do over HTTP, and who is none.
func TestAdminHTTP(t *testing.T) {
	noLeaks(t)
	defer http.DefaultClient.CloseIdleConnections()
	const token = "0123456789abcdef"
	g := start(t, load(t, "ADMIN_TOKEN="+token))
	at := g.HTTPAddr().String()
	p, _ := dial(t, g, connect("c/1", 3600))
	p.subscribe("room/+", 1)
	q, _ := dial(t, g, connect("c2", 0))
	if code := q.acked("room//x/", true); code.Failed() {
		t.Fatal(code)
	}
	for _, wrong := range []string{"", "0123456789abcdeF", "0123456789abcde"} {
		for _, path := range []string{"clients", "clients/c2", "nothing"} {
			asks(t, at, "GET", path, wrong, http.StatusUnauthorized, nil)
		}
		asks(t, at, "DELETE", "clients/c2", wrong, http.StatusUnauthorized, nil)
	}
	var list admin.Clients
	asks(t, at, "GET", "clients?pattern=c*&state=connected", token, http.StatusOK, &list)
	if len(list.Clients) != 2 {
		t.Errorf("%+v", list)
	}
	var one admin.Detail
	asks(t, at, "GET", "clients/c%2F1", token, http.StatusOK, &one)
	if one.ID != "c/1" || len(one.Subscriptions) == 0 {
		t.Errorf("%+v", one)
	}
	var filters admin.FilterPage
	asks(t, at, "GET", "filters?limit=5", token, http.StatusOK, &filters)
	var who admin.SubscriberPage
	asks(t, at, "GET", "subscribers?filter=room/%2B", token, http.StatusOK, &who)
	if len(filters.Filters) != 1 || len(who.Subscribers) != 1 || who.Subscribers[0].ClientID != "c/1" {
		t.Errorf("%+v, %+v", filters, who)
	}
	var topics admin.Topics
	asks(t, at, "GET", "topics", token, http.StatusOK, &topics)
	var instances admin.Instances
	asks(t, at, "GET", "instances", token, http.StatusOK, &instances)
	if len(topics.Topics) != 1 || len(instances.Instances) != 1 || instances.Instances[0].ID != g.id {
		t.Errorf("%+v, %+v", topics, instances)
	}
	var kept admin.RetainedPage
	asks(t, at, "GET", "retained?filter=room/%23", token, http.StatusOK, &kept)
	var message admin.Retained
	asks(t, at, "GET", "retained/room%2F%2Fx%2F", token, http.StatusOK, &message)
	if len(kept.Retained) != 1 || message.Topic != "room//x/" || string(message.Payload) != "x" {
		t.Errorf("%+v, %+v", kept, message)
	}
	asks(t, at, "DELETE", "retained/room%2F%2Fx%2F", token, http.StatusOK, nil)
	asks(t, at, "DELETE", "retained/room%2F%2Fx%2F", token, http.StatusNotFound, nil)
	var kicked admin.Kicked
	asks(t, at, "DELETE", "clients/c%2F1?end_session=true", token, http.StatusOK, &kicked)
	if !kicked.Disconnected || !kicked.SessionEnded {
		t.Errorf("%+v", kicked)
	}
	if d, ok := p.next().(*packet.Disconnect); !ok || d.Code != packet.AdministrativeAction && d.Code != packet.SessionTakenOver {
		t.Errorf("told %+v", d)
	}
	for path, want := range map[string]int{
		"clients/c%2F1": 404, "clients?colour=red": 400, "clients?limit=0": 400, "clients?limit=9999": 400, "clients?state=odd": 400, "clients?state=away&state=away": 400,
		"subscribers?filter=a%2F%23%2Fb": 400, "subscribers": 400, "subscribers?filter=a&cursor=x": 400, "retained?filter=%24share%2Fg%2Fa": 400, "retained/%23": 400, "nothing": 404,
	} {
		asks(t, at, "GET", path, token, want, nil)
	}
	asks(t, at, "POST", "clients", token, http.StatusNotFound, nil)
	for _, path := range []string{"retained", "clients/c2/subscriptions"} {
		asks(t, at, "DELETE", path, token, http.StatusNotFound, nil)
	}
	for _, path := range []string{"retained/room//x", "retained/./room", "retained/room/../x", "retained/room/..", "clients/c2/subscriptions/a//b"} {
		asks(t, at, "DELETE", path, token, http.StatusBadRequest, nil)
	}
	var done admin.Subscribed
	asks(t, at, "PUT", "clients/c2/subscriptions/a%2F%2F%23?qos=2&no_local=true&retain_as_published=true&retain_handling=1&identifier=7", token, http.StatusOK, &done)
	if done.Filter != "a//#" || done.QoS != 2 || done.State != admin.Connected {
		t.Errorf("%+v", done)
	}
	asks(t, at, "GET", "clients/c2", token, http.StatusOK, &one)
	if len(one.Subscriptions) == 0 || !one.Subscriptions[len(one.Subscriptions)-1].Granted || one.Subscriptions[len(one.Subscriptions)-1].ID != 7 {
		t.Errorf("%+v", one.Subscriptions)
	}
	asks(t, at, "DELETE", "clients/c2/subscriptions/a%2F%2F%23", token, http.StatusOK, &done)
	for query, want := range map[string]int{"?qos=9": 400, "?no_local=maybe": 400, "?limit=4": 400, "?identifier=268435456": 400, "?qos=1&qos=2": 400} {
		asks(t, at, "PUT", "clients/c2/subscriptions/a"+query, token, want, nil)
	}
	asks(t, at, "DELETE", "clients/c2/subscriptions/a?qos=1", token, http.StatusBadRequest, nil)
}

// TestAdminListens: with an address of its own the admin's is the only one that answers; without a token, when embedded, only to
// who calls it by an address of this machine.
func TestAdminListens(t *testing.T) {
	noLeaks(t)
	defer http.DefaultClient.CloseIdleConnections()
	const token = "0123456789abcdef"
	g := start(t, load(t, "ADMIN_TOKEN="+token, "ADMIN_ADDR=127.0.0.1:0"))
	asks(t, g.listeners.admin.Addr().String(), "GET", "clients", token, http.StatusOK, nil)
	resp, err := http.Get("http://" + g.HTTPAddr().String() + "/v1/admin/clients")
	must(t, err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("on PORT: %d", resp.StatusCode)
	}
	open := start(t, load(t))
	asks(t, open.HTTPAddr().String(), "GET", "clients", "", http.StatusOK, nil)
	r, err := http.NewRequest("GET", "http://"+open.HTTPAddr().String()+"/v1/admin/clients", nil)
	must(t, err)
	r.Host = "rebound.example.com"
	resp, err = http.DefaultClient.Do(r)
	must(t, err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("by a name of another site: %d", resp.StatusCode)
	}
	if cfg := load(t, "BIND_ADDR=0.0.0.0"); cfg.Admin {
		t.Error("open to everybody")
	}
}
