// Package presence tells RocketMQ of clients that come and go, in the format of Apache RocketMQ MQTT's develop branch.
//
// An event is one RocketMQ message of the topic `%SYS_MQTT` with tag `CLIENT_EVENT`. Its properties are those of an MQTT
// message of QoS 1 with the topic `%SYS_MQTT/online_offline_event` (originMqttTopic, qosLevel, retryTimes, IS_EMPTY_MSG,
// extData, WAIT, UNIQ_KEY). It is dispatched to the LMQ that Java's clients read,
//
//	%LMQ%%SYS_MQTT%online_offline_event%
//
// and to those of our own subscriptions whose filters match and begin with the level `%SYS_MQTT`; one that begins with a
// wildcard gets no events, as with $SYS [MQTT-4.7.2-1]. Java sends batches of events; here every event is a message, since
// brokers do not index batches for LMQs.
//
// The body is the JSON of Java's class ClientEvent, fields in alphabetical order as fastjson writes them, absent where
// they are null:
//
//	{
//	  "channelId": "gw-1:7",           of the connection: here instance and epoch
//	  "clientId": "c1",
//	  "eventInfo": "session taken over", why it went, in words
//	  "eventTime": 1700000000000,      ms
//	  "eventType": "CLIENT_CONNECT",   or "CLIENT_DISCONNECT"
//	  "host": "192.0.2.7",             Java: the name that DNS gives; here the address too
//	  "ip": "192.0.2.7",
//	  "packetId": 0,                   Java: of the PUBLISH that carries the event; nothing to do with the client
//	  "port": 0,                       not known here
//
// and behind them what Java's lacks:
//
//	  "epoch": 7,                      grows with every CONNECT of the client id; 0 = not known
//	  "instance": "gw-1",              whose connection it was
//	  "keepAlive": 60,                 seconds
//	  "protocol": 5,                   3, 4 or 5: version byte of CONNECT
//	  "reasonCode": 142,               of MQTT 5.0; only of CLIENT_DISCONNECT
//	  "transport": "ws",
//	  "username": "u"
//	}
//
// Events of one client id keep their order. Delivery is at least once as long as the process lives and RocketMQ is back
// within Config.Patience; a process that dies takes with it what it had not sent. When a client changes over to another
// instance the two events come from different processes: the one with the greater epoch is the later one.
package presence
