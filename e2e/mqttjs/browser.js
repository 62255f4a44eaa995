// A tour through MQTT with MQTT.js in a browser: browser.html?one=URL&two=URL&first=TOPIC
//
// For MQTT 3.1.1 and 5.0, with clients on two instances. Posts what was seen at each station to result, as
// {"4": {...}, "5": {...}}, or {"error": "..."}; the Go test knows what it has to be.
const query = new URLSearchParams(location.search);
const [one, two, first] = ["one", "two", "first"].map((name) => query.get(name));

// open connects a client that keeps its messages for next.
async function open(url, options) {
  const client = await mqtt.connectAsync(url, { connectTimeout: 60_000, reconnectPeriod: 0, ...options });
  const messages = [], waiting = [];
  client.on("message", (topic, payload, packet) => {
    messages.push({ topic, text: payload.toString(), qos: packet.qos, retain: packet.retain, properties: packet.properties });
    waiting.shift()?.();
  });
  client.next = async () => {
    if (messages.length === 0) await new Promise((done) => waiting.push(done));
    return messages.shift();
  };
  client.some = async (n) => {
    const list = [];
    while (list.length < n) list.push(await client.next());
    return list;
  };
  return client;
}

async function tour(protocolVersion) {
  const seen = {};
  const base = `${first}/browser${protocolVersion}`;
  const brief = (list) => list.map((m) => [m.topic.slice(base.length), m.text, m.qos, m.retain]).sort();
  const common = { protocolVersion };
  const lasting = {
    ...common, clientId: `${first}-browser-${protocolVersion}`, clean: false,
    properties: protocolVersion === 5 ? { sessionExpiryInterval: 3600 } : undefined,
  };
  let subscriber = await open(one, lasting);
  const publisher = await open(two, common);
  const granted = await subscriber.subscribeAsync(`${base}/q/+`, { qos: 2 });
  seen.granted = granted.map((g) => g.qos);
  for (const qos of [0, 1, 2]) await publisher.publishAsync(`${base}/q/${qos}`, `hello ${qos}`, { qos });
  seen.received = brief(await subscriber.some(3));

  await subscriber.endAsync();
  for (const qos of [1, 2]) await publisher.publishAsync(`${base}/q/${qos}`, `missed ${qos}`, { qos });
  subscriber = await open(two, lasting);
  seen.missed = brief(await subscriber.some(2));

  await publisher.publishAsync(`${base}/kept/a`, "kept", { qos: 1, retain: true });
  const late = await open(one, common);
  await late.subscribeAsync(`${base}/kept/#`, { qos: 1 });
  seen.retained = brief([await late.next()]);

  const mortal = await open(two, { ...common, will: { topic: `${base}/kept/will`, payload: "farewell", qos: 1, retain: false } });
  mortal.end(true);
  seen.will = brief([await late.next()]);

  if (protocolVersion === 5) {
    const alias = await open(two, common);
    for (const n of [1, 2]) {
      await alias.publishAsync(n === 1 ? `${base}/kept/alias` : "", `alias ${n}`, { qos: 1, properties: { topicAlias: 1 } });
    }
    seen.alias = brief(await late.some(2));
    await publisher.publishAsync(`${base}/kept/properties`, "?", {
      qos: 1, properties: { responseTopic: "answer", correlationData: new Uint8Array([0, 255, 1]), userProperties: { a: ["1", "2"] } },
    });
    const { properties } = await late.next();
    seen.properties = [properties.responseTopic, [...properties.correlationData], properties.userProperties.a];
    await alias.endAsync();
  }
  for (const c of [subscriber, publisher, late]) await c.endAsync();
  return seen;
}

let result;
try {
  result = { 4: await tour(4), 5: await tour(5) };
} catch (error) {
  result = { error: String(error.stack ?? error) };
}
document.getElementById("state").textContent = "done";
await fetch("result", { method: "POST", body: JSON.stringify(result) });
