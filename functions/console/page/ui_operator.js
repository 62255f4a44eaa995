// The part "Instances and clients": what /v1/admin tells to operators.
import { Admin } from "./admin.js";
import { $, el, facts, say } from "./dom.js";
import { size, visible } from "./show.js";

export function operatorUI() {
  const offered = document.documentElement.dataset.admin;
  if (offered === "none") return;
  $("admin-none").hidden = true;
  $("operator").hidden = false;
  $("token-field").hidden = offered === "open";
  const admin = new Admin();
  let asked; // what "More" goes on with
  let turn = 0; // an answer that is not of the last question is dropped

  const failed = (error) => {
    const hint = error.status === 401 ? " The token is ADMIN_TOKEN of the gateway." : "";
    say("admin-said", `${visible(error.message)}.${hint}`, "bad");
  };

  async function clients(query, more) {
    const mine = turn;
    const page = await admin.clients(query);
    if (mine !== turn) return;
    const rows = (page.clients ?? []).map((c) => row(c, admin));
    if (more) $("clients").append(...rows);
    else $("clients").replaceChildren(...rows);
    asked = { ...query, cursor: page.next };
    $("more-row").hidden = !page.next;
    const n = $("clients").childElementCount;
    say("admin-said", `${n} ${n === 1 ? "client" : "clients"}${page.next ? ", and there are more" : ""}.`);
    if (more) rows[0]?.querySelector("summary").focus();
  }

  $("operator").addEventListener("submit", async (e) => {
    e.preventDefault();
    admin.token = $("token").value.trim();
    const mine = ++turn;
    say("admin-said", "Asking…");
    try {
      const instances = await admin.instances();
      if (mine !== turn) return;
      $("instances").replaceChildren(...instances.map(card));
      await clients({ pattern: $("pattern").value, state: $("client-state").value });
    } catch (error) {
      if (mine === turn) failed(error);
    }
  });
  $("more").addEventListener("click", () => clients(asked, true).catch(failed));
}

function card(i) {
  const f = i.figures ?? {};
  const count = (v) => (v === undefined ? undefined : Number(v).toLocaleString());
  return el("li", {},
    el("h4", {}, el("bdi", { class: "mono" }, visible(i.instance)), el("span", { class: "chip" }, i.live ? "live" : "gone")),
    el("dl", { class: "facts" }, facts([
      ["Connected", count(f.connected)], ["Sessions", count(i.sessions)], ["Subscriptions", count(f.subscriptions)],
      ["Published", count(f.publishReceived)], ["Delivered", count(f.publishSent)], ["Dropped", f.publishDropped ? count(f.publishDropped) : ""],
      ["Traffic", f.bytesReceived === undefined ? "" : `${size(f.bytesReceived)} in, ${size(f.bytesSent)} out`],
      ["Uptime", f.uptime === undefined ? "" : `${f.uptime} s`], ["Version", f.version && visible(f.version)],
    ])));
}

function row(c, admin) {
  const details = el("details", {}, el("summary", {}, el("span", { class: "top" },
    el("bdi", {}, visible(c.client_id)), el("span", { class: "chip" }, c.state), c.user ? el("bdi", { class: "muted" }, visible(c.user)) : "",
    el("time", { datetime: c.since ?? undefined }, c.since ? new Date(c.since).toLocaleString() : ""))));
  details.addEventListener("toggle", async () => {
    details.querySelector(".inside")?.remove();
    if (!details.open) return;
    const inside = el("div", { class: "inside" }, el("p", { class: "muted" }, "Asking…"));
    details.append(inside);
    try {
      inside.replaceChildren(...detail(await admin.client(c.client_id)));
    } catch (error) {
      inside.replaceChildren(el("p", { class: "said", "data-kind": "bad" }, visible(error.message)));
    }
  });
  return el("li", {}, details);
}

/** One client's session. */
function detail(d) {
  const subs = (d.subscriptions ?? []).map((s) => el("li", {}, el("bdi", { class: "mono" }, s.own ? "sent to this client itself" : visible(s.filter)), " ",
    el("span", { class: "chip" }, `QoS ${s.qos}`), " ", s.lag === null ? "" : el("span", { class: "muted" }, `${s.lag} behind`)));
  return [
    el("dl", { class: "facts" }, facts([
      ["Instance", visible(d.instance ?? "")], ["Address", visible(d.address ?? "")], ["Protocol", visible(d.protocol ?? "")], ["Epoch", d.epoch],
      ["Session expiry", d.expiry], ["Ends", d.expires && new Date(d.expires).toLocaleString()],
      ["Sent, not acknowledged", d.out?.length || ""], ["Received, not released", d.in?.length || ""], ["Behind", d.behind],
    ])),
    subs.length > 0 ? el("ul", { "aria-label": "Subscriptions of this client" }, subs) : el("p", { class: "muted" }, "No subscriptions."),
  ];
}
