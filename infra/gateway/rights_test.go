package gateway

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/infra/doctor"
	"lmqgate/infra/minimq"
)

// allowed is a user of brokers with the least rights, except for one action on one resource.
func allowed(rights []doctor.Right, action, resource string) minimq.User {
	u := minimq.User{Name: "gate", Secret: "12345678"}
	for _, r := range rights {
		actions := strings.Split(r.Actions, ",")
		if r.Resource == resource {
			actions = slices.DeleteFunc(actions, func(a string) bool { return a == action })
		}
		u.Rules = append(u.Rules, minimq.Rule{Resource: r.Resource, Actions: actions})
	}
	return u
}

// TestMissingRight: an instance whose user lacks what every message needs is not ready and says what is missing, and is as soon
// as it is granted.
func TestMissingRight(t *testing.T) {
	least := doctor.LeastRights("MQTT_OTHER", "fresh")
	for _, tt := range []struct{ action, resource, words string }{
		{"Sub", "Topic:%LMQ%*", "Topic:%LMQ%"},
		{"Get", "Topic:%LMQ%*", "Topic:%LMQ%"},
		{"Sub", "Group:%LMQ%*", "Group:%LMQ%"},
		{"Pub", "Topic:MQTT_OTHER", "Topic:MQTT_OTHER"},
		{"Create", "Topic:MQTT_OTHER", "Topic:MQTT_OTHER"},
	} {
		t.Run(tt.action+" "+tt.resource, func(t *testing.T) {
			t.Parallel()
			mq := minimq.RunWith(t, minimq.Config{Users: []minimq.User{allowed(least, tt.action, tt.resource)}})
			g, log := launched(t, env("REDIS_URL", "redis://"+miniredis.RunT(t).Addr()), env("NAMESRV_ADDR", mq.Addr()),
				"ROCKETMQ_ACCESS_KEY=gate", "ROCKETMQ_SECRET_KEY=12345678")
			finds(t, g, rocketCheck, "permission missing")
			says(t, log, "has no permission to access "+tt.words, "the user of ROCKETMQ_ACCESS_KEY lacks the right")
			if tt.action == "Create" {
				return // tried again after half a minute only
			}
			mq.SetUsers(allowed(least, "", ""))
			serves(t, g)
			says(t, log, "broker allows what every client needs")
		})
	}
}

// TestMayNotCreate: topics that access control does not let the gateway make go to the fallback topic.
func TestMayNotCreate(t *testing.T) {
	mq := minimq.RunWith(t, minimq.Config{Users: []minimq.User{allowed(doctor.LeastRights("MQTT_OTHER"), "", "")}})
	g, log := launched(t, env("REDIS_URL", "redis://"+miniredis.RunT(t).Addr()), env("NAMESRV_ADDR", mq.Addr()),
		"ROCKETMQ_ACCESS_KEY=gate", "ROCKETMQ_SECRET_KEY=12345678")
	serves(t, g) // in a topic of its own, were that allowed
	says(t, log, "topic may not be created", "topic=fresh", "ROCKETMQ_ACCESS_KEY")
}

// TestNewSecret: brokers that are told another password refuse the instance, which says so and serves again with the old one.
func TestNewSecret(t *testing.T) {
	user := minimq.User{Name: "gate", Secret: "12345678", Super: true}
	mq := minimq.RunWith(t, minimq.Config{Users: []minimq.User{user}})
	g, log := launched(t, env("REDIS_URL", "redis://"+miniredis.RunT(t).Addr()), env("NAMESRV_ADDR", mq.Addr()),
		"ROCKETMQ_ACCESS_KEY=gate", "ROCKETMQ_SECRET_KEY=12345678")
	becomes(t, g, http.StatusOK)
	mq.SetUsers(minimq.User{Name: "gate", Secret: "87654321", Super: true})
	finds(t, g, rocketCheck, "login refused")
	says(t, log, "ROCKETMQ_SECRET_KEY is not the password")
	mq.SetUsers(user)
	serves(t, g)
}
