// Package adapter is the root of what stands between MQTT and RocketMQ.
//
// The way of a PUBLISH: transport reads bytes, packet decodes them, client checks and orders, dispatch finds the
// filters and sends one message for all their queues through rocketmq; rocketmq's held pulls bring it to deliver on
// every instance, and deliver writes it to the sessions whose cursors stand there. Siblings do not import each other
// (packet and rocketmq/remoting excepted): each declares what it needs, and infra/gateway wires them.
package adapter
