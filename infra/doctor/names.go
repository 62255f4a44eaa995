package doctor

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lmqgate/adapter/presence"
	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/config"
)

// register is what one name server knows.
type register struct {
	addr string
	took time.Duration
	info remoting.ClusterInfo
	err  error
}

// examineNameServers asks each name server for the brokers; any one that answers will do for the gateway.
func examineNameServers(ctx context.Context, dial remoting.DialConfig, addrs []string) ([]Finding, []*broker) {
	answers := make([]register, len(addrs))
	var asked sync.WaitGroup
	for i, addr := range addrs {
		asked.Go(func() { answers[i] = askNameServer(ctx, dial, addr) })
	}
	asked.Wait()
	brokers := known(answers)
	found := judgeNames(answers, brokers)
	switch {
	case slices.ContainsFunc(brokers, func(b *broker) bool { return b.addr != "" }):
	case slices.ContainsFunc(answers, func(r register) bool { return r.err == nil }):
		_, remedy := ExplainRocketMQ(errNoBroker)
		found = append(found, failure(remedy, "no name server knows a master").as("broker.reach", ""))
	}
	return found, brokers
}

func askNameServer(ctx context.Context, dial remoting.DialConfig, addr string) (r register) {
	ctx, cancel := context.WithTimeout(ctx, rocketTime)
	defer cancel()
	r.addr = addr
	conn, err := remoting.Dial(ctx, addr, dial)
	if err != nil {
		r.err = err
		return r
	}
	defer hangUp(conn)
	began := time.Now()
	answer, err := request(ctx, conn, remoting.GetBrokerClusterInfo, nil)
	if err != nil {
		r.err = err
		return r
	}
	r.took = time.Since(began)
	r.info, r.err = remoting.DecodeClusterInfo(answer.Body)
	return r
}

func hangUp(conn *remoting.Conn) {
	conn.Close()
	<-conn.Done()
}

// known are the brokers that any name server names, by name.
func known(answers []register) []*broker {
	all := map[string]*broker{}
	for _, r := range answers {
		for name, data := range r.info.Brokers {
			b := all[name]
			if b == nil {
				b = &broker{name: name, cluster: data.Cluster}
				all[name] = b
			}
			b.told++
			b.slaves = max(b.slaves, len(data.Addrs))
			if addr := data.Addrs[remoting.MasterID]; addr != "" {
				b.addr = addr
				b.slaves = max(b.slaves-1, 0)
			}
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *broker) int { return cmp.Compare(a.name, b.name) })
}

// judgeNames judges each name server by what the others say.
func judgeNames(answers []register, brokers []*broker) []Finding {
	var found []Finding
	working := 0
	for _, r := range answers {
		if r.err == nil {
			working++
		}
	}
	for _, r := range answers {
		var missing []string
		for _, b := range brokers {
			if r.err == nil && r.info.Brokers[b.name].Addrs[remoting.MasterID] == "" && b.addr != "" {
				missing = append(missing, b.name)
			}
		}
		remedy := ""
		if r.err != nil {
			_, remedy = ExplainRocketMQ(r.err)
		}
		var f Finding
		switch {
		case r.err != nil && working > 0:
			f = warning(remedy, "does not answer, others do: %v", r.err)
		case r.err != nil:
			f = failure(remedy, "does not answer: %v", r.err)
		case len(missing) > 0:
			f = warning("name all name servers in namesrvAddr of broker.conf", "does not know %s, which others know", strings.Join(missing, ", "))
		default:
			f = fine("answers in %s, knows %d %s", short(r.took), len(r.info.Brokers), plural(len(r.info.Brokers), "broker", "brokers"))
		}
		found = append(found, f.as("nameserver.reach", r.addr))
	}
	return found
}

// mostTopics bounds how many of FIRST_TOPICS are looked for.
const mostTopics = 100

// examineTopics looks for the RocketMQ topics that messages go to.
func examineTopics(ctx context.Context, dial remoting.DialConfig, cfg *config.Config, brokers []*broker) []Finding {
	ctx, cancel := context.WithTimeout(ctx, rocketTime)
	defer cancel()
	var conn *remoting.Conn
	for _, addr := range cfg.NameServers {
		one, err := remoting.Dial(ctx, addr, dial)
		if err == nil {
			conn = one
			break
		}
	}
	if conn == nil {
		return nil // the name servers' own findings say so
	}
	defer hangUp(conn)
	var masters []string
	for _, b := range brokers {
		if b.addr != "" {
			masters = append(masters, b.name)
		}
	}
	var found []Finding
	for _, t := range topics(cfg) {
		found = append(found, askTopic(ctx, conn, t, masters, cfg.TopicAutoCreate).as("topic", t))
	}
	return found
}

// topics are those that have to be there, each once.
func topics(cfg *config.Config) []string {
	all := []string{cfg.FallbackTopic}
	if cfg.PresenceEvents {
		all = append(all, presence.RocketMQTopic)
	}
	for _, t := range cfg.FirstTopics {
		if len(all) < mostTopics && !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// askTopic looks for writable queues of a topic on every master.
func askTopic(ctx context.Context, name caller, topic string, masters []string, create bool) Finding {
	answer, err := name.Do(ctx, remoting.NewRequest(remoting.GetRouteInfoByTopic, map[string]string{"topic": topic, "acceptStandardJsonOnly": "true"}, nil))
	if err != nil {
		_, remedy := ExplainRocketMQ(err)
		return failure(remedy, "cannot be looked up: %v", err)
	}
	route := remoting.TopicRoute{}
	switch answer.Code {
	case remoting.TopicNotExist:
	case remoting.Success:
		if route, err = remoting.DecodeTopicRoute(answer.Body); err != nil {
			return failure("is that a RocketMQ name server?", "cannot be looked up: %v", err)
		}
	default:
		err := refusal{answer.Code, answer.Remark}
		_, remedy := ExplainRocketMQ(err)
		return failure(remedy, "cannot be looked up: %v", err)
	}
	queues := map[string]int{}
	readOnly := []string{}
	for _, q := range route.Queues {
		if q.Perm&remoting.PermWrite == 0 || q.Perm&remoting.PermRead == 0 {
			readOnly = append(readOnly, q.Broker)
			continue
		}
		queues[q.Broker] += q.WriteNums
	}
	return judgeTopic(topic, masters, queues, readOnly, create)
}

func judgeTopic(topic string, masters []string, queues map[string]int, closed []string, create bool) Finding {
	var missing []string
	total := 0
	for _, m := range masters {
		total += queues[m]
		if queues[m] == 0 && !slices.Contains(closed, m) {
			missing = append(missing, m)
		}
	}
	command := "mqadmin updateTopic -n NAMESRV_ADDR -c CLUSTER -t " + topic + " -r 8 -w 8"
	switch {
	case len(closed) > 0 && total == 0:
		return failure(command+" -p 6", "may not be written or read (perm) on %s", strings.Join(closed, ", "))
	case len(closed) > 0:
		return warning(command+" -p 6", "may not be written or read (perm) on %s", strings.Join(closed, ", "))
	case total == 0 && create:
		return fine("is missing; the gateway makes it with the first message (TOPIC_AUTO_CREATE)")
	case total == 0:
		return failure(command+"; or TOPIC_AUTO_CREATE=true", "is missing, and TOPIC_AUTO_CREATE=false: publishing to it is refused")
	case len(missing) > 0:
		return warning(command, "is missing on %s: no message of it goes there", strings.Join(missing, ", "))
	}
	return fine("%s queues on %d %s", strconv.Itoa(total), len(masters), plural(len(masters), "broker", "brokers"))
}
