package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/config"
	"lmqgate/infra/minimq"
)

// Limits of asking RocketMQ.
const (
	rocketTime = 5 * time.Second // for one server, from dialing to its last answer
	tripTime   = 8 * time.Second // for a message through a broker; one that does not index is known after 3 s
	slowTrip   = time.Second
)

// caller is the part of a connection to a broker or name server that the checks use.
type caller interface {
	Do(ctx context.Context, cmd *remoting.Command) (*remoting.Command, error)
}

// refusal is an answer that is none.
type refusal struct {
	code   int32
	remark string
}

func (r refusal) Error() string { return fmt.Sprintf("code %d: %s", r.code, r.remark) }

// Unwrap is rocketmq.ErrLogin or ErrPermission, or nil.
func (r refusal) Unwrap() error { return rocketmq.AccessError(r.code, r.remark) }

// request asks a server; an answer with another code than success is a refusal.
func request(ctx context.Context, c caller, code int32, ext map[string]string) (*remoting.Command, error) {
	answer, err := c.Do(ctx, remoting.NewRequest(code, ext, nil))
	if err != nil {
		return nil, err
	}
	if answer.Code != remoting.Success {
		return nil, refusal{answer.Code, answer.Remark}
	}
	return answer, nil
}

// rocketConfig is how the gateway reaches RocketMQ.
func rocketConfig(cfg *config.Config) (rocketmq.Config, remoting.DialConfig) {
	c := rocketmq.Config{
		NameServers: cfg.NameServers, AccessKey: cfg.RocketMQAccessKey, SecretKey: cfg.RocketMQSecretKey.Reveal(), TLS: cfg.RocketMQTLSConfig,
		TopicAutoCreate: cfg.TopicAutoCreate, CanaryTopic: cfg.FallbackTopic, DirectSend: true,
		InstanceID: "doctor-" + strings.ToLower(rand.Text()[:10]),
	}
	return c, remoting.DialConfig{Credentials: remoting.Credentials{AccessKey: c.AccessKey, SecretKey: c.SecretKey}, TLS: c.TLS}
}

// examineRocket asks the name servers, the brokers that they name, for the topics, and sends a message through each broker.
func examineRocket(ctx context.Context, c Config, cfg *config.Config) []Finding {
	rocket, dial := rocketConfig(cfg)
	rocket.Logger, dial.Logger = c.Logger, c.Logger
	found, brokers := examineNameServers(ctx, dial, cfg.NameServers)
	parts := make([][]Finding, len(brokers))
	reached := make([]bool, len(brokers))
	var asked sync.WaitGroup
	for i, b := range brokers {
		b.noWrites = c.NoWrites
		asked.Go(func() { reached[i], parts[i] = examineBroker(ctx, dial, cfg, b) })
	}
	asked.Wait()
	if !c.NoWrites && slices.Contains(reached, true) {
		for i, f := range sendThrough(ctx, c, rocket, brokers, reached) {
			parts[i] = append(parts[i], f...)
		}
	}
	for _, p := range parts {
		found = append(found, p...)
	}
	if len(brokers) == 0 {
		return found
	}
	return append(found, examineTopics(ctx, dial, cfg, brokers)...) // last: a message may have made one
}

// sendThrough sends a message through each broker that was reached.
func sendThrough(ctx context.Context, c Config, rocket rocketmq.Config, brokers []*broker, reached []bool) [][]Finding {
	found := make([][]Finding, len(brokers))
	client, err := rocketmq.New(rocket)
	if err != nil {
		return found // without name servers there are no brokers
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = client.Close(last)
	}()
	if err := client.Start(ctx); err != nil {
		return found
	}
	var trips sync.WaitGroup
	for i, b := range brokers {
		if !reached[i] {
			continue
		}
		trips.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, tripTime)
			defer cancel()
			skew := time.Until(c.Now())
			t, err := client.Try(ctx, b.name)
			found[i] = append(found[i], trip(b, t, err).as("broker.roundtrip", b.name))
			if err == nil {
				offset := t.Stored.Sub(t.Sent.Add(skew).Add(t.Acked / 2))
				found[i] = append(found[i], clock(offset, t.Acked/2+time.Millisecond).as("broker.clock", b.name))
			}
		})
	}
	trips.Wait()
	return found
}

// trip judges how a message went through a broker.
func trip(b *broker, t rocketmq.Trial, err error) Finding {
	switch {
	case errors.Is(err, rocketmq.ErrNoTopic) && !errors.Is(err, rocketmq.ErrPermission):
		return failure("create the topic, see below, or set TOPIC_AUTO_CREATE=true", "no message can be sent: %v", err)
	case errors.Is(err, rocketmq.ErrStalled) && !b.dispatches():
		return failure(lmqRemedy, "acknowledges messages and does not index them: nobody would get any")
	case errors.Is(err, rocketmq.ErrStalled):
		_, remedy := ExplainRocketMQ(err)
		return failure(remedy, "acknowledges messages and does not index them: nobody would get any")
	case err != nil:
		return failure(tripRemedy(err), "no message goes through: %v", err)
	case t.Read > slowTrip:
		return warning("look at its load and disk", "a message takes %s: acknowledged after %s, read from its queue after %s", short(t.Read), short(t.Acked), short(t.Read))
	}
	return fine("a message was acknowledged after %s and read from its queue after %s", short(t.Acked), short(t.Read))
}

// tripHints are answers to a message.
var tripHints = []hint{
	{text: "code 16", remedy: "allow the user of ROCKETMQ_ACCESS_KEY to publish to FALLBACK_TOPIC, to read topics and groups that begin with %LMQ%, and to create topics unless TOPIC_AUTO_CREATE=false; see brokerPermission too"},
	{text: "permission", remedy: "allow the user of ROCKETMQ_ACCESS_KEY to publish to FALLBACK_TOPIC, to read topics and groups that begin with %LMQ%, and to create topics unless TOPIC_AUTO_CREATE=false"},
	{text: "code 14", remedy: "it refuses writes: its disk is full or its index is stuck; look at its log"},
	{text: "busy", remedy: "it refuses work; look at its load and its disk"},
	{text: "accesskey", remedy: "see ROCKETMQ_ACCESS_KEY and ROCKETMQ_SECRET_KEY"},
	{text: "signature", remedy: "see ROCKETMQ_ACCESS_KEY and ROCKETMQ_SECRET_KEY"},
	{text: "deadline", remedy: "no answer in time: look at its load, garbage collection and disk"},
}

// tripRemedy is what to do where a broker answers and does not take or hand out a message.
func tripRemedy(err error) string {
	if remedy := RocketMQRemedy(err); remedy != "" {
		return remedy
	}
	for _, h := range tripHints {
		if strings.Contains(strings.ToLower(err.Error()), h.text) {
			return h.remedy
		}
	}
	return "look at the broker's log"
}

// examineEmbedded tries the RocketMQ that would run in the gateway's process.
func examineEmbedded(ctx context.Context, c Config) []Finding {
	s := minimq.New(minimq.Config{})
	if err := s.Start(); err != nil {
		return []Finding{failure("see what keeps this machine from listening on 127.0.0.1", "the embedded RocketMQ does not start: %v", err).as("embedded", "")}
	}
	defer func() { _ = s.Close() }()
	found := sendThrough(ctx, c, rocketmq.Config{NameServers: []string{s.Addr()}, TopicAutoCreate: true, DirectSend: true},
		[]*broker{{name: s.Brokers()[0].Name()}}, []bool{true})
	if len(found[0]) == 0 {
		return nil
	}
	return []Finding{found[0][0].as("embedded.roundtrip", "")}
}
