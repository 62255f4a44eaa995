// The part "Publish".
import { $, judge, openInvalid, say } from "./dom.js";
import { bytesFrom, line, pairsFrom, visible } from "./show.js";
import { wrongTopic } from "./topics.js";
import { bytesOf } from "./wire.js";

export function publishUI(client) {
  openInvalid($("publisher"));
  $("publisher").addEventListener("submit", async (e) => {
    e.preventDefault();
    const field = $("topic");
    if (!judge(field, "publish-said", wrongTopic(field.value))) return;
    const topic = field.value;
    const began = performance.now();
    say("publish-said", "");
    try {
      const message = { topic, payload: bytesFrom($("payload").value, $("encoding").value), qos: Number($("qos").value), retain: $("retain").checked, properties: properties() };
      const sent = client.publish(message);
      if (client.state === "waiting") say("publish-said", `Waits for the connection: ${line(topic, 60)}.`, "warn");
      const reason = await sent;
      const took = Math.round(performance.now() - began);
      const how = message.qos === 0 ? "Sent, without an answer" : `Stored in ${took} ms${reason === 0x10 ? ", nobody subscribes" : ""}`;
      say("publish-said", `${how}: ${line(topic, 60)}.`);
    } catch (error) {
      say("publish-said", `Not published to ${line(topic, 60)}: ${visible(error.message)}.`, "bad");
    }
  });
}

function properties() {
  const correlation = $("correlation").value;
  const response = $("response-topic").value;
  if (response && wrongTopic(response)) throw new Error("the response topic is no topic");
  const user = pairsFrom($("message-properties").value);
  return {
    payloadFormat: $("encoding").value === "text" ? 1 : undefined,
    contentType: $("content-type").value || undefined,
    messageExpiry: $("message-expiry").valueAsNumber || undefined,
    responseTopic: response || undefined,
    correlationData: correlation ? bytesOf(correlation) : undefined,
    userProperties: user.length > 0 ? user : undefined,
  };
}
