package gateway

import (
	"encoding/json"
	"strings"
	"testing"

	"lmqgate/adapter/packet"
)

// logLines are the log's, as JSON.
func logLines(t *testing.T, s *screen) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(s.String()) {
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		all = append(all, one)
	}
	return all
}

// TestStory: the log tells what became of each client in a line when it comes and one when it goes, each packet of those
// that are followed, and of nobody what is secret.
func TestStory(t *testing.T) {
	noLeaks(t)
	for _, level := range []string{"info", "debug"} {
		log := &screen{}
		g, err := New(load(t, "LOG_FORMAT=json", env("LOG_LEVEL", level), "LOG_CLIENTS=followed-*", "AUTH=anonymous",
			"AUTH_USERNAME=u", "AUTH_SECRET_KEY=telling-secret"), Options{Err: log})
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"followed-1", "other"} {
			c := connect(id, 0)
			c.HasUsername, c.Username, c.HasPassword, c.Password = true, "somebody", true, []byte("telling-password")
			c.Will = &packet.Will{Topic: "w/1", Payload: []byte("telling-will")}
			p, ack := dial(t, g, c)
			if ack.Code.Failed() {
				t.Fatalf("CONNACK %v", ack.Code)
			}
			p.subscribe("s/"+id, 1)
			p.send(&packet.Publish{Topic: "s/" + id, Payload: []byte("telling-payload"), QoS: 0})
			if _, ok := p.next().(*packet.Publish); !ok {
				t.Fatal("no message")
			}
			p.send(&packet.Disconnect{})
			for p.next() != nil {
			}
		}
		stop(t, g)
		if strings.Contains(log.String(), "telling") {
			t.Errorf("%s: secrets or payloads in the log:\n%s", level, log)
		}
		story := map[string][]string{}
		for _, l := range logLines(t, log) {
			id, _ := l["client_id"].(string)
			if id == "" {
				continue
			}
			story[id] = append(story[id], l["msg"].(string))
			if l["conn"] == nil || l["epoch"] == nil || l["instance"] != g.id {
				t.Errorf("%s: a line lacks its connection, epoch or instance: %v", level, l)
			}
			switch l["msg"] {
			case "connected":
				if l["session"] != "new" || l["version"] != "5.0" || l["address"] != "127.0.0.1" || l["transport"] != "tcp" {
					t.Errorf("%v", l)
				}
			case "disconnected":
				if l["by"] != "client" || l["messages_in"] != 1.0 || l["messages_out"] != 1.0 || l["duration"] == nil {
					t.Errorf("%v", l)
				}
			}
		}
		packets := func(id string) (n int) {
			for _, msg := range story[id] {
				if strings.HasPrefix(msg, "packet ") {
					n++
				}
			}
			return n
		}
		if packets("followed-1") < 6 || (packets("other") > 0) != (level == "debug") {
			t.Errorf("%s: %v", level, story)
		}
		if level == "info" && strings.Join(story["other"], " ") != "connected disconnected" {
			t.Errorf("the story of a client is %v", story["other"])
		}
	}
}
