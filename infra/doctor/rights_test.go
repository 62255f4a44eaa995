package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/infra/doctor"
	"lmqgate/infra/minimq"
)

// rules are rights as minimq takes them, one for each action.
func rules(rights []doctor.Right) []minimq.Rule {
	var all []minimq.Rule
	for _, r := range rights {
		for action := range strings.SplitSeq(r.Actions, ",") {
			all = append(all, minimq.Allow(r.Resource, action))
		}
	}
	return all
}

// TestExamineRights: with the rights that are documented nothing is found, and with any of them missing it is said which.
func TestExamineRights(t *testing.T) {
	t.Parallel()
	least := rules(doctor.LeastRights("MQTT_OTHER"))
	keys := []string{"ROCKETMQ_ACCESS_KEY=gate", "ROCKETMQ_SECRET_KEY=12345678"}
	user := func(rules []minimq.Rule) minimq.Config {
		return minimq.Config{Users: []minimq.User{{Name: "gate", Secret: "12345678", Rules: rules}}}
	}
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		found := examined(t, user(least), nil, keys...)
		expect(t, found, "broker.rights", doctor.OK, "")
		if f := found["broker.roundtrip"]; f.Grade == doctor.Fail {
			t.Errorf("%+v", f)
		}
	})
	for i, r := range least {
		t.Run("without "+r.Actions[0]+" "+r.Resource, func(t *testing.T) {
			t.Parallel()
			found := examined(t, user(slices.Delete(slices.Clone(least), i, i+1)), nil, keys...)
			for _, check := range []string{"broker.rights", "broker.roundtrip"} {
				f := found[check]
				if f.Grade == doctor.Fail && strings.Contains(f.Text, strings.TrimSuffix(r.Resource, "*")) && strings.Contains(f.Remedy, "ROCKETMQ_ACCESS_KEY") {
					return
				}
			}
			t.Errorf("nothing found: %+v", found)
		})
	}
}

// TestExamineLogin: keys that brokers refuse.
func TestExamineLogin(t *testing.T) {
	t.Parallel()
	mq := minimq.Config{Users: []minimq.User{{Name: "gate", Secret: "12345678", Super: true}}}
	for _, tt := range []struct {
		name   string
		keys   []string
		remedy string
	}{
		{"none", nil, "set ROCKETMQ_ACCESS_KEY and ROCKETMQ_SECRET_KEY"},
		{"another user", []string{"ROCKETMQ_ACCESS_KEY=nobody", "ROCKETMQ_SECRET_KEY=12345678"}, "no user has the name in ROCKETMQ_ACCESS_KEY"},
		{"another secret", []string{"ROCKETMQ_ACCESS_KEY=gate", "ROCKETMQ_SECRET_KEY=x"}, "ROCKETMQ_SECRET_KEY is not the password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			expect(t, examined(t, mq, func(*miniredis.Miniredis, *minimq.Server) {}, tt.keys...), "broker.reach", doctor.Fail, tt.remedy)
		})
	}
}
