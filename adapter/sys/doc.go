// Package sys publishes the status topics below $SYS, under the names that tools know from Mosquitto where they mean the
// same. Each is a retained message of QoS 0 that expires after three intervals, so what a dead instance said vanishes.
//
// For the cluster, from the instance with the smallest id of those alive:
//
//	$SYS/broker/version                      text
//	$SYS/broker/uptime                       "<n> seconds", of the instance that runs longest
//	$SYS/broker/clients/connected            number now
//	$SYS/broker/clients/total                number, with those whose sessions wait; only if it is known
//	$SYS/broker/clients/disconnected         number of these; only if it is known
//	$SYS/broker/messages/received, /sent     MQTT packets of any type
//	$SYS/broker/publish/messages/received    PUBLISH packets
//	$SYS/broker/publish/messages/sent        PUBLISH packets
//	$SYS/broker/publish/messages/dropped     messages of QoS 0 that were given up
//	$SYS/broker/bytes/received, /sent        bytes of MQTT packets
//	$SYS/broker/subscriptions/count          of the clients now connected
//	$SYS/broker/retained messages/count      topics; only if it is known
//	$SYS/broker/instances/count              number
//
// Sums over the instances alive: they begin at 0 with the start of each, and fall when one goes. From every instance,
// of itself, below $SYS/broker/instances/<id>/:
//
//	version, uptime, clients/connected, clients/maximum, messages/received, messages/sent,
//	publish/messages/received, publish/messages/sent, publish/messages/dropped,
//	bytes/received, bytes/sent, subscriptions/count
//
// Characters of an id that would be part of the topic's structure are replaced by '_'.
//
// Nothing goes into the message log for a topic that nobody subscribes to: then the retained message alone is set. Who
// may subscribe is for access.StatusRule to say.
package sys
