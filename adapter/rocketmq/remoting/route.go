package remoting

import (
	"encoding/json"
	"fmt"
)

// MasterID is the broker id of a master in BrokerData.Addrs.
const MasterID = "0"

// Bits of QueueData.Perm.
const (
	PermWrite = 1 << 1
	PermRead  = 1 << 2
)

// BrokerData names one group of a master and its slaves.
type BrokerData struct {
	Cluster string `json:"cluster"`
	Name    string `json:"brokerName"`
	// Addrs maps broker ids to host:port; MasterID is the master's.
	Addrs map[string]string `json:"brokerAddrs"`
}

// QueueData is what one broker group holds of a topic.
type QueueData struct {
	Broker     string `json:"brokerName"`
	ReadNums   int    `json:"readQueueNums"`
	WriteNums  int    `json:"writeQueueNums"`
	Perm       int    `json:"perm"`
	TopicFlags int    `json:"topicSysFlag"`
}

// TopicRoute is the body of an answer to GetRouteInfoByTopic.
type TopicRoute struct {
	Brokers []BrokerData `json:"brokerDatas"`
	Queues  []QueueData  `json:"queueDatas"`
}

// ClusterInfo is the body of an answer to GetBrokerClusterInfo.
type ClusterInfo struct {
	Brokers  map[string]BrokerData `json:"brokerAddrTable"`
	Clusters map[string][]string   `json:"clusterAddrTable"`
}

// DecodeTopicRoute reads the body of a route answer, standard JSON or fastjson's.
func DecodeTopicRoute(body []byte) (TopicRoute, error) {
	var r TopicRoute
	if err := json.Unmarshal(quoteKeys(body), &r); err != nil {
		return TopicRoute{}, fmt.Errorf("decode topic route: %w", err)
	}
	return r, nil
}

// DecodeClusterInfo reads the body of a cluster answer, standard JSON or fastjson's.
func DecodeClusterInfo(body []byte) (ClusterInfo, error) {
	var c ClusterInfo
	if err := json.Unmarshal(quoteKeys(body), &c); err != nil {
		return ClusterInfo{}, fmt.Errorf("decode cluster info: %w", err)
	}
	return c, nil
}

// Encode returns the route as standard JSON, which all clients read.
func (r TopicRoute) Encode() ([]byte, error) {
	return json.Marshal(struct {
		TopicRoute
		Filters map[string]string `json:"filterServerTable"`
	}{r, map[string]string{}})
}

// Encode returns the cluster information as standard JSON.
func (c ClusterInfo) Encode() ([]byte, error) { return json.Marshal(c) }
