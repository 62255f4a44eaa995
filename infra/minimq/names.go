package minimq

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"lmqgate/adapter/rocketmq/remoting"
)

// Request codes that remoting does not need.
const (
	codeDeleteKVConfig = 102
)

// nameServer answers routes and keeps the key-value configuration. Brokers of
// this process register by a call, not over the wire.
type nameServer struct {
	cluster string
	ep      *endpoint

	mu     sync.Mutex                               // protects all below
	alive  map[string]string                        // broker name -> address
	topics map[string]map[string]remoting.QueueData // topic -> broker name
	kv     map[string]map[string]string             // namespace -> key
}

func newNameServer(cfg Config) *nameServer {
	n := &nameServer{
		cluster: cfg.Cluster,
		alive:   map[string]string{},
		topics:  map[string]map[string]remoting.QueueData{},
		kv:      map[string]map[string]string{},
	}
	n.ep = newEndpoint(cfg.Addr, cfg.IdleClose, n)
	n.ep.tls = cfg.TLS
	return n
}

func (n *nameServer) start() error   { return n.ep.start() }
func (n *nameServer) stop()          { n.ep.stop() }
func (n *nameServer) closed(c *conn) {}

func (n *nameServer) handle(c *conn, req *remoting.Command) {
	a := &args{ext: req.Ext}
	resp := n.answer(req, a)
	if bad := a.err(); bad != nil {
		resp = bad
	}
	c.reply(req, resp)
}

func (n *nameServer) answer(req *remoting.Command, a *args) *remoting.Command {
	switch req.Code {
	case remoting.GetRouteInfoByTopic:
		return n.route(a.ext["topic"])
	case remoting.GetBrokerClusterInfo:
		return n.clusterInfo()
	case remoting.PutKVConfig:
		return n.putKV(a)
	case remoting.GetKVConfig:
		return n.getKV(a)
	case codeDeleteKVConfig:
		return n.deleteKV(a)
	case remoting.GetKVListByNamespace:
		return n.listKV(a.str("namespace"))
	case remoting.GetAllTopicListFromNameserver:
		return n.topicList()
	case remoting.DeleteTopicInNamesrv:
		return n.deleteTopic(a.str("topic"))
	}
	return notSupported(req)
}

func notSupported(req *remoting.Command) *remoting.Command {
	return answer(remoting.RequestNotSupported, " request type "+itoa(req.Code)+" not supported")
}

// register is what a broker's registration does: it is there, with these topics.
func (n *nameServer) register(broker, addr string, topics []topicConfig) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.alive[broker] = addr
	for _, t := range topics {
		if n.topics[t.name] == nil {
			n.topics[t.name] = map[string]remoting.QueueData{}
		}
		n.topics[t.name][broker] = remoting.QueueData{
			Broker: broker, ReadNums: t.read, WriteNums: t.write, Perm: t.perm, TopicFlags: t.sysFlag,
		}
	}
}

// unregister forgets a broker and the routes to it.
func (n *nameServer) unregister(broker string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.alive, broker)
	for topic, queues := range n.topics {
		delete(queues, broker)
		if len(queues) == 0 {
			delete(n.topics, topic)
		}
	}
}

func (n *nameServer) route(topic string) *remoting.Command {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := remoting.TopicRoute{Queues: []remoting.QueueData{}, Brokers: []remoting.BrokerData{}}
	for _, broker := range slices.Sorted(maps.Keys(n.topics[topic])) {
		r.Queues = append(r.Queues, n.topics[topic][broker])
		r.Brokers = append(r.Brokers, n.broker(broker))
	}
	if len(r.Queues) == 0 {
		if topic == "" {
			topic = "null"
		}
		return answer(remoting.TopicNotExist, "No topic route info in name server for the topic: "+topic+seeFAQ)
	}
	return withBody(r.Encode())
}

func (n *nameServer) broker(name string) remoting.BrokerData {
	return remoting.BrokerData{Cluster: n.cluster, Name: name, Addrs: map[string]string{remoting.MasterID: n.alive[name]}}
}

func (n *nameServer) clusterInfo() *remoting.Command {
	n.mu.Lock()
	defer n.mu.Unlock()
	info := remoting.ClusterInfo{Brokers: map[string]remoting.BrokerData{}, Clusters: map[string][]string{}}
	for _, name := range slices.Sorted(maps.Keys(n.alive)) {
		info.Brokers[name] = n.broker(name)
		info.Clusters[n.cluster] = append(info.Clusters[n.cluster], name)
	}
	return withBody(info.Encode())
}

func (n *nameServer) topicList() *remoting.Command {
	n.mu.Lock()
	defer n.mu.Unlock()
	return withJSON(map[string]any{"topicList": slices.Sorted(maps.Keys(n.topics))})
}

func (n *nameServer) deleteTopic(topic string) *remoting.Command {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.topics, topic)
	return ok()
}

func (n *nameServer) putKV(a *args) *remoting.Command {
	ns, key, value := a.str("namespace"), a.str("key"), a.str("value")
	if a.bad != "" {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kv[ns] == nil {
		n.kv[ns] = map[string]string{}
	}
	n.kv[ns][key] = value
	return ok()
}

func (n *nameServer) getKV(a *args) *remoting.Command {
	ns, key := a.str("namespace"), a.str("key")
	n.mu.Lock()
	defer n.mu.Unlock()
	value, found := n.kv[ns][key]
	if !found {
		return answer(remoting.QueryNotFound, "No config item, Namespace: "+ns+" Key: "+key)
	}
	return ok("value", value)
}

func (n *nameServer) deleteKV(a *args) *remoting.Command {
	ns, key := a.str("namespace"), a.str("key")
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.kv[ns], key)
	return ok()
}

func (n *nameServer) listKV(ns string) *remoting.Command {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, found := n.kv[ns]; !found {
		return answer(remoting.QueryNotFound, "No config item, Namespace: "+ns)
	}
	return withJSON(map[string]any{"table": n.kv[ns]})
}

func withJSON(v any) *remoting.Command { return withBody(json.Marshal(v)) }

func withBody(body []byte, err error) *remoting.Command {
	if err != nil {
		return answer(remoting.SystemError, err.Error())
	}
	c := ok()
	c.Body = body
	return c
}

// seeFAQ ends many of RocketMQ's remarks.
const seeFAQ = "\nSee https://rocketmq.apache.org/docs/bestPractice/06FAQ for further details."
