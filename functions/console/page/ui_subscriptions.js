// The part "Subscriptions".
import { $, el, judge, say } from "./dom.js";
import { line, visible } from "./show.js";
import { wrongFilter } from "./topics.js";

export function subscriptionsUI(client) {
  $("subscribe").addEventListener("submit", async (e) => {
    e.preventDefault();
    const field = $("filter");
    const filter = field.value;
    if (!judge(field, "subscribe-said", wrongFilter(filter))) return;
    say("subscribe-said", "");
    try {
      const noLocal = $("no-local").checked && !filter.startsWith("$share/");
      const granted = await client.subscribe(filter, { qos: Number($("filter-qos").value), noLocal });
      say("subscribe-said", `Subscribed to ${line(filter, 60)} with QoS ${granted}.`);
      if (field.value === filter) field.value = "";
    } catch (error) {
      say("subscribe-said", `Not subscribed to ${line(filter, 60)}: ${visible(error.message)}.`, "bad");
    }
  });

  const row = ({ filter, qos, granted, noLocal }) => {
    const remove = el("button", { type: "button", class: "small", "aria-label": `Remove ${visible(filter)}` }, "Remove");
    remove.addEventListener("click", async () => {
      $("filter").focus(); // the button goes
      await client.unsubscribe(filter);
      say("subscribe-said", `Unsubscribed from ${line(filter, 60)}.`);
    });
    return el("li", {}, el("bdi", {}, visible(filter)), noLocal ? el("span", { class: "chip" }, "not my own") : "",
      el("span", { class: "chip" }, granted === undefined ? "asked" : `QoS ${granted}${granted < qos ? ` of ${qos}` : ""}`), remove);
  };
  return {
    list: (subs) => {
      const held = $("filters").contains(document.activeElement) && document.activeElement.getAttribute("aria-label");
      const rows = subs.map(row);
      $("filters").replaceChildren(...rows);
      if (held) rows.map((r) => r.querySelector("button")).find((b) => b.getAttribute("aria-label") === held)?.focus(); // who is at it stays there
    },
    refused: (filter, error) => say("subscribe-said", `${line(filter, 60)} is lost: ${visible(error.message)}.`, "bad"),
  };
}
