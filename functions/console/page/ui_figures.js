// The part "Figures": what the gateway says of itself under $SYS/broker.
import { $, el, say } from "./dom.js";
import { line, size, textOf, visible } from "./show.js";

const root = "$SYS/broker/";
const filter = `${root}#`;
const most = 60; // figures shown

const names = new Map([
  ["clients/connected", "clients connected"], ["clients/total", "clients in all"], ["clients/disconnected", "clients away"],
  ["subscriptions/count", "subscriptions"], ["retained messages/count", "retained messages"], ["instances/count", "instances"],
  ["publish/messages/received", "messages published"], ["publish/messages/sent", "messages delivered"], ["publish/messages/dropped", "messages dropped"],
  ["messages/received", "packets received"], ["messages/sent", "packets sent"], ["bytes/received", "received"], ["bytes/sent", "sent"],
  ["uptime", "uptime"], ["version", "version"],
]);

export function figuresUI(client) {
  const values = new Map();
  const on = () => client.subscriptions.some((s) => s.filter === filter);

  $("sys").addEventListener("click", async () => {
    say("sys-said", "");
    try {
      if (on()) {
        await client.unsubscribe(filter);
        return;
      }
      await client.subscribe(filter, { qos: 0 });
      if (values.size === 0) say("sys-said", "Subscribed; the gateway tells its figures every few seconds.");
    } catch (error) {
      const hint = error.code === 0x87 ? " STATUS_USERS says who may read them." : "";
      say("sys-said", `No figures: ${visible(error.message)}.${hint}`, "bad");
    }
  });

  const draw = () => {
    const known = [...names.keys()].filter((k) => values.has(k));
    $("figures").replaceChildren(...known.slice(0, most).map((k) => el("div", {}, el("dt", {}, names.get(k)), el("dd", {}, el("bdi", {}, values.get(k))))));
  };

  return {
    /** Takes a message if it is a figure. Reports whether it is for the figures only: no other filter of the user matches it. */
    take(p, matches) {
      if (!p.topic.startsWith(root)) return false;
      const name = p.topic.slice(root.length);
      if (names.has(name)) {
        const text = line(textOf(p.payload) ?? "", 40);
        values.set(name, name.startsWith("bytes/") && /^\d+$/.test(text) ? size(Number(text)) : text.replace(/ seconds$/, " s").replace(/^lmqgate version /, ""));
        say("sys-said", "");
        draw();
      }
      return on() && !client.subscriptions.some((s) => s.filter !== filter && matches(s.filter, p.topic));
    },
    changed() {
      $("sys").setAttribute("aria-pressed", String(on()));
      if (!on()) {
        values.clear();
        draw();
      }
    },
  };
}
