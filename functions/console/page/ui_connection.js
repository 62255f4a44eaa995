// The part "Connection": who connects, and how that goes.
import { $, facts, judge, openInvalid, say } from "./dom.js";
import { pairsFrom, visible } from "./show.js";
import { wrongTopic } from "./topics.js";
import { bytesOf } from "./wire.js";

const words = { off: "Not connected", connecting: "Connecting…", online: "Connected", waiting: "Connection lost" };

export function connectionUI(client) {
  const url = new URL(document.documentElement.dataset.wsPath, location.origin);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const plain = url.protocol === "ws:" && !/^(localhost|127\..*|\[::1\])$/.test(location.hostname);
  const number = new Uint32Array(1);
  crypto.getRandomValues(number);
  $("client-id").value = `console-${number[0].toString(16).padStart(8, "0")}`;

  openInvalid($("connect"));
  $("connect").addEventListener("submit", (e) => {
    e.preventDefault();
    if (client.state !== "off") {
      client.disconnect($("will-topic").value !== "" && $("will-always").checked);
      say("connect-said", "");
      $("client-id").focus();
      return;
    }
    try {
      say("connect-said", "");
      const options = read(url.href);
      if (options) client.connect(options);
    } catch (error) {
      say("connect-said", `Cannot connect: ${error.message}`, "bad");
    }
  });
  $("hurry").addEventListener("click", () => client.hurry());
  addEventListener("online", () => client.hurry());
  document.addEventListener("visibilitychange", () => { // hidden pages have slow timers
    if (!document.hidden) client.hurry();
  });

  let ends; // when the pause between two attempts is over
  let counting;
  const count = () => { // not where screen readers would say every second
    const left = client.state === "waiting" ? Math.ceil((ends - performance.now()) / 1000) : 0;
    $("countdown").textContent = left > 0 ? `next attempt in ${left} s` : "";
    clearTimeout(counting);
    if (left > 0) counting = setTimeout(count, 1000);
  };

  return (state, why, pause) => {
    ends = performance.now() + pause;
    count();
    const busy = state !== "off";
    $("state").dataset.state = state;
    $("state").textContent = words[state];
    $("connect-fields").hidden = busy;
    $("connect-fields").disabled = busy;
    $("facts").hidden = !busy;
    $("hurry").hidden = state !== "waiting";
    $("connect-button").textContent = { off: "Connect", online: "Disconnect" }[state] ?? "Cancel";
    $("connect-button").classList.toggle("main", !busy);
    if (state === "off") say("connect-said", why ? `${capital(visible(why))}.` : "", "bad");
    if (state === "connecting") {
      $("facts").replaceChildren(...facts([["Client id", visible($("client-id").value)], ["Address", url.href]]));
    }
    if (state === "online") {
      say("connect-said", plain && $("password").value ? "This connection is not encrypted: others on the way can read the password." : "", "warn");
      $("facts").replaceChildren(...facts([
        ["Client id", visible(client.clientId)], ["User name", visible($("username").value)], ["Address", url.href], ["Session", why === "a new session" ? "new" : "went on"],
        ["Largest packet", client.server.maximumPacketSize && `${client.server.maximumPacketSize} B`],
      ]));
    }
    if (state === "waiting") say("connect-said", `${capital(visible(why))}. The page goes on trying.`, "warn");
  };
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** What the form says; undefined if something is wrong with it, which is said. */
function read(url) {
  const topic = $("will-topic").value;
  if (topic && !judge($("will-topic"), "connect-said", wrongTopic(topic))) return undefined;
  $("will-topic").removeAttribute("aria-invalid");
  return {
    url, clientId: $("client-id").value, username: $("username").value, password: $("password").value,
    keepAlive: $("keep-alive").valueAsNumber, sessionExpiry: $("expiry").valueAsNumber, resume: $("resume").checked,
    userProperties: pairsFrom($("user-properties").value),
    will: topic ? {
      topic, payload: bytesOf($("will-payload").value), qos: Number($("will-qos").value), retain: $("will-retain").checked,
      properties: { willDelay: $("will-delay").valueAsNumber || undefined },
    } : undefined,
  };
}
