// Two clients on two instances: node roundtrip.mjs URL1 URL2 FIRST-TOPIC MESSAGES
//
// For MQTT 3.1.1 and 5.0, a subscriber with a session of its own on the first instance, a publisher on the second: messages
// of each QoS; then the subscriber's connection breaks, messages are published, and MQTT.js connects again by itself, now
// at the second instance. Prints what was received as one JSON line, {"4": {...}, "5": {...}}.
import mqtt from "mqtt";

const [url1, url2, first, messages] = process.argv.slice(2);
const result = {};

for (const protocolVersion of [4, 5]) {
  const common = { protocolVersion, connectTimeout: 60_000, reconnectPeriod: 200 };
  const topic = `${first}/js${protocolVersion}`;
  let where = url1;
  const subscriber = mqtt.connect(url1, {
    ...common,
    clientId: `mqttjs-sub-${protocolVersion}`,
    clean: false,
    properties: protocolVersion === 5 ? { sessionExpiryInterval: 3600 } : undefined,
    transformWsUrl: () => where,
  });
  const received = [];
  let wake = () => {};
  subscriber.on("message", (topic, payload, packet) => {
    received.push({ topic, payload: payload.toString(), qos: packet.qos, contentType: packet.properties?.contentType });
    wake();
  });
  const until = (enough) => new Promise((done) => {
    wake = () => enough() && done();
    wake();
  });
  // Each QoS 1 and 2 message counts once: QoS 0 may be lost to a client that is away, QoS 1 may be repeated.
  const kept = () => new Set(received.filter((m) => !m.topic.endsWith("/q0")).map((m) => `${m.topic} ${m.payload}`)).size;
  const present = [];
  subscriber.on("connect", (connack) => present.push(connack.sessionPresent));
  await new Promise((done) => subscriber.once("connect", done));
  const granted = await subscriber.subscribeAsync(`${topic}/+`, { qos: 2 });

  const publisher = await mqtt.connectAsync(url2, { ...common, clientId: `mqttjs-pub-${protocolVersion}` });
  const publish = async (name) => {
    for (let i = 0; i < messages; i++) {
      for (const qos of [0, 1, 2]) {
        await publisher.publishAsync(`${topic}/q${qos}`, `${name} ${i}`, {
          qos,
          properties: protocolVersion === 5 ? { contentType: "text/plain" } : undefined,
        });
      }
    }
  };
  await publish("here");
  await until(() => received.length >= 3 * messages);

  where = url2;
  const again = new Promise((done) => subscriber.once("connect", done));
  subscriber.stream.destroy();
  await publish("gone");
  await again;
  await until(() => kept() >= 4 * messages);
  await publisher.publishAsync(`${topic}/end`, "end", { qos: 1 });
  await until(() => received.some((m) => m.payload === "end"));
  result[protocolVersion] = { received, present, granted: granted.map((g) => g.qos) };
  await publisher.endAsync();
  await subscriber.endAsync();
}
console.log(JSON.stringify(result));
