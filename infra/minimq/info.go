package minimq

import (
	"maps"
	"slices"
	"strings"

	"lmqgate/adapter/rocketmq/remoting"
)

// brokerConfig answers the configuration as a properties text: what a client may
// want to know of it.
func (b *Broker) brokerConfig() *remoting.Command {
	yes := func(v bool) string {
		if v {
			return "true"
		}
		return "false"
	}
	storeType := "defaultRocksDB"
	if b.cfg.FileIndex {
		storeType = "default"
	}
	p := map[string]string{
		"brokerName": b.name, "brokerClusterName": b.cfg.Cluster, "brokerId": "0", "brokerRole": "ASYNC_MASTER",
		"brokerIP1": "127.0.0.1", "listenPort": itoa(int(b.ep.addrPort().Port())), "namesrvAddr": b.names.ep.addr(),
		"autoCreateTopicEnable": yes(!b.cfg.NoAutoTopic), "autoCreateSubscriptionGroup": yes(!b.cfg.NoAutoGroup),
		"enableLmq": "true", "enableMultiDispatch": "true", "storeType": storeType, "maxLmqConsumeQueueNum": "2000000",
		"maxMessageSize": "4194304", "brokerPermission": "6", "defaultTopicQueueNums": "8", "longPollingEnable": "true",
		"messageDelayLevel": "1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h",
		"fileReservedTime":  itoa(int64(b.cfg.MaxAge.Hours())), "traceOn": "true", "regionId": region,
		"popPollingSize": "1024", "maxPopPollingSize": "100000", "reviveQueueNum": "8", "timerWheelEnable": "true",
	}
	maps.Copy(p, b.cfg.Settings)
	var out strings.Builder
	for _, k := range slices.Sorted(maps.Keys(p)) {
		out.WriteString(k + "=" + p[k] + "\n")
	}
	resp := ok("version", `{"counter":0,"stateVersion":0,"timestamp":0}`)
	resp.Body = []byte(out.String())
	return resp
}

func (b *Broker) runtimeInfo() *remoting.Command {
	st := b.store.Stats()
	return withJSON(map[string]any{"table": map[string]string{
		"brokerVersionDesc": b.cfg.Version, "brokerActive": "true",
		"dispatchBehindBytes": itoa(b.store.BehindBytes()), "commitLogMaxOffset": itoa(st.End),
		"commitLogMinOffset": itoa(st.Oldest), "earliestMessageTimeStamp": itoa(st.OldestMs),
		"startAcceptSendRequestTimeStamp": "0", "pageCacheLockTimeMills": "0", "runtime": "[ 0 days, 0 hours, 0 minutes, 0 seconds ]",
		"sendThreadPoolQueueSize": "0", "pullThreadPoolQueueSize": "0", "queryThreadPoolQueueSize": "0",
		"sendThreadPoolQueueCapacity": "10000", "pullThreadPoolQueueCapacity": "100000", "queryThreadPoolQueueCapacity": "20000",
		"commitLogDiskRatio": "0.0", "consumeQueueDiskRatio": "0.0", "remainHowManyDataToFlush": "0 B",
	}})
}
