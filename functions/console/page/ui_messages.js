// The part "Messages": what arrives, newest first. The list is drawn in batches, so that many messages a second do not stop the page.
import { $, el, facts } from "./dom.js";
import { Journal } from "./journal.js";
import { hex, payload, preview, size, textOf, visible } from "./show.js";

const batch = 100; // ms between two drawings
const silence = 3000; // ms between two words to screen readers

export function messagesUI() {
  const journal = new Journal();
  let drawing;
  let said = 0; // messages that screen readers were told of
  let speaking;

  const schedule = () => {
    drawing ??= setTimeout(() => {
      drawing = undefined;
      draw();
    }, batch);
  };

  const speak = () => {
    speaking ??= setTimeout(() => {
      speaking = undefined;
      const [last] = journal.shown();
      const fresh = journal.came - journal.behind - said;
      said = journal.came;
      if (last && fresh > 0) $("news").textContent = `${fresh} new ${fresh === 1 ? "message" : "messages"}, the last on ${visible(last.topic)}`;
    }, silence);
  };

  function wanted() {
    const text = $("search").value.toLowerCase();
    return text === "" ? undefined : (m) => m.topic.toLowerCase().includes(text) || m.text.includes(text);
  }

  function draw() {
    const list = $("list");
    const accepts = wanted();
    const shown = journal.shown(accepts);
    const keep = new Set(shown.map((m) => m.number));
    for (const li of [...list.children]) {
      if (keep.has(Number(li.dataset.number))) continue;
      if (li.contains(document.activeElement)) $("messages").focus();
      li.remove();
    }
    let at = list.firstElementChild;
    for (const m of shown) {
      if (at && Number(at.dataset.number) === m.number) at = at.nextElementSibling;
      else list.insertBefore(row(m), at);
    }
    $("count").textContent = [
      `${journal.came} received`, accepts ? `${shown.length} found` : "", journal.dropped > 0 ? `the last ${journal.size} are kept` : "",
      journal.behind > 0 ? `${journal.behind} wait behind the pause` : "",
    ].filter((s) => s).join(" · ");
    $("none").hidden = shown.length > 0;
    if (journal.came > 0) $("none").textContent = accepts ? "No message has this text." : "Nothing to show.";
  }

  for (const id of ["search", "view"]) $(id).addEventListener("input", id === "search" ? schedule : () => $("list").querySelectorAll("details[open]").forEach((d) => d.fill()));
  $("look").addEventListener("submit", (e) => e.preventDefault());
  $("pause").addEventListener("click", () => {
    if (journal.paused) journal.go();
    else journal.pause();
    $("pause").setAttribute("aria-pressed", String(journal.paused));
    draw();
  });
  $("clear").addEventListener("click", () => {
    journal.clear();
    said = 0;
    $("news").textContent = "";
    draw();
  });

  return (p) => {
    journal.add({ ...p, at: new Date(), text: (textOf(p.payload) ?? "").slice(0, 64 << 10).toLowerCase() });
    schedule();
    speak();
  };
}

function row(m) {
  const time = `${m.at.toLocaleTimeString([], { hour12: false })}.${String(m.at.getMilliseconds()).padStart(3, "0")}`;
  const details = el("details", {}, el("summary", {}, el("span", { class: "top" },
    el("bdi", {}, visible(m.topic)),
    el("span", { class: "chip" }, `QoS ${m.qos}`), m.retain ? el("span", { class: "chip" }, "retained") : "", m.dup ? el("span", { class: "chip" }, "again") : "",
    el("time", { datetime: m.at.toISOString() }, time),
    el("span", { class: "preview" }, preview(m.payload)))));
  details.fill = () => {
    details.querySelector(".inside")?.remove();
    details.append(inside(m));
  };
  details.addEventListener("toggle", () => (details.open ? details.fill() : details.querySelector(".inside")?.remove()));
  return el("li", { "data-number": m.number }, details);
}

/** The whole of a message. */
function inside(m) {
  const view = $("view").value;
  const shown = payload(m.payload, view);
  const p = m.properties;
  const user = p.userProperties?.map(([name, value]) => `${visible(name)} = ${visible(value)}`).join("\n");
  return el("div", { class: "inside" },
    el("pre", { class: view === "hex" ? "hex" : undefined, tabindex: "0", role: "group", "aria-label": "Payload", dir: "auto" }, shown.text),
    el("dl", { class: "facts" }, facts([
      ["Size", size(m.payload.length) + (shown.note ? `, ${shown.note}` : "")],
      ["Content type", p.contentType && visible(p.contentType)], ["Expiry", p.messageExpiry !== undefined ? `${p.messageExpiry} s` : ""],
      ["Response topic", p.responseTopic && visible(p.responseTopic)],
      ["Correlation", p.correlationData && visible(textOf(p.correlationData) ?? hex(p.correlationData.subarray(0, 64)))],
      ["User properties", user && el("bdi", { class: "lines" }, user)],
    ])));
}
