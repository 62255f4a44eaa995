package config

import (
	"slices"

	"lmqgate/adapter/events"
	"lmqgate/functions/outgoing"
	"lmqgate/functions/push"
	metapush "lmqgate/meta/push"
)

// checkPush looks at what the gateway calls by itself.
func (c *Config) checkPush(set map[string]string, wrong *Problems) {
	if len(c.PushAllow) == 0 && c.EmbeddedRedis && c.EmbeddedRocketMQ {
		c.PushAllow = []string{"127.0.0.0/8", "::1", "localhost"}
	}
	allow, err := outgoing.ParseAllow(c.PushAllow)
	if wrong.must(set, "PUSH_ALLOW", err == nil); err != nil {
		return
	}
	if len(c.Events) == 0 && c.EventsURL != "" || slices.Equal(c.Events, []string{"all"}) {
		c.Events = events.Types()
	}
	if slices.Equal(c.Events, []string{"off"}) {
		c.Events = nil
	}
	for _, name := range c.Events {
		wrong.must(set, "EVENTS", slices.Contains(events.Types(), name))
	}
	if c.EventsURL == "" {
		if c.EventsSecret != "" {
			wrong.add("EVENTS_URL", "is not set while EVENTS_SECRET is; give %s", accepts("EVENTS_URL"))
		}
		return
	}
	secrets := parseList(c.EventsSecret.Reveal())
	spec := push.Spec{Filters: []string{events.Filter}, URL: c.EventsURL, Secrets: &secrets}
	if err := outgoing.New(allow).Check(c.EventsURL); err != nil {
		wrong.add("EVENTS_URL", "%v; give %s", err, accepts("EVENTS_URL"))
		return
	}
	t, err := spec.Target(push.EventsTarget, &metapush.Target{}, func(string) error { return nil })
	if err != nil {
		wrong.add("EVENTS_SECRET", "%v; give %s", err, accepts("EVENTS_SECRET"))
		return
	}
	if !c.Offers("push") {
		wrong.add("FUNCTIONS", "has no push while EVENTS_URL is set; give %s", accepts("FUNCTIONS"))
	}
	c.EventsTarget = &t
}
