"""A tour through MQTT with Eclipse Paho for Python: tour.py TRANSPORT HOST1:PORT HOST2:PORT FIRST-TOPIC

TRANSPORT is tcp or websockets. For MQTT 3.1.1 and 5.0, with clients on two instances. Prints one JSON line: what was
seen at each station, {"4": {...}, "5": {...}}; the Go test knows what it has to be.
"""

import json
import queue
import socket
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

LIMIT = 60  # seconds for what is certain to happen


class Client:
    """One client whose callbacks go to queues."""

    def __init__(self, version, name, transport, clean=True, will=None):
        kind = {} if version == mqtt.MQTTv5 else {"clean_session": clean}
        self.version, self.clean = version, clean
        self.mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version, transport=transport, **kind)
        if transport == "websockets":
            self.mqtt.ws_set_options(path="/mqtt")
        if will:
            self.mqtt.will_set(**will)
        self.messages, self.acks, self.connects = queue.Queue(), queue.Queue(), queue.Queue()
        self.mqtt.on_message = lambda _c, _u, m: self.messages.put(m)
        self.mqtt.on_subscribe = lambda _c, _u, mid, codes, _p: self.acks.put([c.value for c in codes])
        self.mqtt.on_unsubscribe = lambda *_: self.acks.put("unsubscribed")
        self.mqtt.on_connect = lambda _c, _u, flags, code, _p: self.connects.put((flags.session_present, code.value))

    def connect(self, address):
        host, port = address.rsplit(":", 1)
        more = {}
        if self.version == mqtt.MQTTv5:
            p = Properties(PacketTypes.CONNECT)
            p.SessionExpiryInterval = 0 if self.clean else 3600
            more = {"clean_start": self.clean, "properties": p}
        self.mqtt.connect(host, int(port), keepalive=30, **more)
        self.mqtt.loop_start()
        return self.connects.get(timeout=LIMIT)

    def subscribe(self, topic, qos):
        self.mqtt.subscribe(topic, qos)
        return self.acks.get(timeout=LIMIT)

    def publish(self, topic, payload, **more):
        info = self.mqtt.publish(topic, payload, **more)
        info.wait_for_publish(LIMIT)

    def next(self):
        return self.messages.get(timeout=LIMIT)

    def leave(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def vanish(self):
        """Ends the connection without DISCONNECT."""
        self.mqtt.loop_stop()
        stream = self.mqtt.socket()
        getattr(stream, "_socket", stream).shutdown(socket.SHUT_RDWR)


def tour(version, transport, one, two, first):
    seen = {}
    name = f"{first}-{transport}-{int(version)}"
    base = f"{first}/{transport}{int(version)}"

    subscriber = Client(version, f"{name}-sub", transport, clean=False)
    publisher = Client(version, f"{name}-pub", transport)
    seen["connect"] = [subscriber.connect(one), publisher.connect(two)]
    seen["granted"] = [subscriber.subscribe(f"{base}/q/+", 2)]
    for qos in range(3):
        publisher.publish(f"{base}/q/{qos}", f"hello {qos}", qos=qos)
    seen["received"] = sorted([m.topic[len(base):], m.payload.decode(), m.qos, m.retain] for m in [subscriber.next() for _ in range(3)])

    subscriber.leave()
    for qos in (1, 2):
        publisher.publish(f"{base}/q/{qos}", f"missed {qos}", qos=qos)
    seen["resumed"] = subscriber.connect(two)
    seen["missed"] = sorted([m.payload.decode(), m.qos] for m in [subscriber.next() for _ in range(2)])

    publisher.publish(f"{base}/kept/a", "kept", qos=1, retain=True)
    publisher.publish(f"{base}/kept/b", "gone", qos=1, retain=True)
    publisher.publish(f"{base}/kept/b", "", qos=1, retain=True)
    late = Client(version, f"{name}-late", transport)
    late.connect(one)
    late.subscribe(f"{base}/kept/#", 1)
    publisher.publish(f"{base}/kept/end", "end", qos=1)
    seen["retained"] = sorted([m.topic[len(base):], m.payload.decode(), m.qos, m.retain] for m in [late.next(), late.next()])

    mortal = Client(version, f"{name}-mortal", transport, will={"topic": f"{base}/kept/will", "payload": "farewell", "qos": 1})
    mortal.connect(two)
    mortal.vanish()
    m = late.next()
    seen["will"] = [m.topic[len(base):], m.payload.decode(), m.qos, m.retain]

    late.mqtt.unsubscribe(f"{base}/kept/#")
    seen["unsubscribed"] = late.acks.get(timeout=LIMIT)

    if version == mqtt.MQTTv5:
        seen.update(tour5(name, base, transport, one, two, publisher))
    for c in (subscriber, publisher, late):
        c.leave()
    return seen


def tour5(name, base, transport, one, two, publisher):
    """Stations that only MQTT 5.0 has."""
    seen = {}
    responder = Client(mqtt.MQTTv5, f"{name}-responder", transport)
    responder.connect(one)
    p = Properties(PacketTypes.SUBSCRIBE)
    p.SubscriptionIdentifier = 7
    responder.mqtt.subscribe(f"{base}/ask", options=SubscribeOptions(qos=1), properties=p)
    responder.acks.get(timeout=LIMIT)
    p = Properties(PacketTypes.PUBLISH)
    p.ResponseTopic, p.CorrelationData = f"{base}/answer", b"\x00\xff\x01"
    p.UserProperty = [("a", "1"), ("a", "2")]
    p.ContentType, p.PayloadFormatIndicator, p.MessageExpiryInterval = "text/plain", 1, 3600
    publisher.publish(f"{base}/ask", "?", qos=1, properties=p)
    got = responder.next().properties
    seen["properties"] = [got.ResponseTopic[len(base):], list(got.CorrelationData), got.UserProperty, got.ContentType,
                          got.PayloadFormatIndicator, 3590 < got.MessageExpiryInterval <= 3600, got.SubscriptionIdentifier]

    members = [Client(mqtt.MQTTv5, f"{name}-member{i}", transport) for i in range(2)]
    for member, address in zip(members, (one, two)):
        member.connect(address)
        member.subscribe(f"$share/crew/{base}/work", 1)
    for i in range(20):
        publisher.publish(f"{base}/work", str(i), qos=1)
    work = []
    responder.subscribe(f"{base}/work", 1)  # a plain subscription beside the group gets everything
    publisher.publish(f"{base}/work", "20", qos=1)
    while len(work) < 21:
        for member in members:
            try:
                work.append(int(member.messages.get(timeout=0.1).payload))
            except queue.Empty:
                pass
    seen["shared"] = sorted(work)
    seen["beside"] = responder.next().payload.decode()
    for c in (responder, *members):
        c.leave()
    return seen


transport, one, two, first = sys.argv[1:]
print(json.dumps({str(int(v)): tour(v, transport, one, two, first) for v in (mqtt.MQTTv311, mqtt.MQTTv5)}))
