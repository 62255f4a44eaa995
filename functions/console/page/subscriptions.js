// The filters that the user wants, over connections: what the session has lost is subscribed again.
import { reasonText } from "./reasons.js";

export class Subscriptions {
  #wanted = new Map(); // filter -> {filter, qos, noLocal, granted: undefined until SUBACK, waiting: [...]}
  #asked = new Map(); // packet id -> {type, filters, waiting}
  #unwanted = new Set(); // filters to take out of the session when there is a connection again
  #send;
  #newId;
  #changed;
  #online = false;

  /** changed is called whenever list() is another one. */
  constructor(send, newId, changed) {
    this.#send = send;
    this.#newId = newId;
    this.#changed = changed;
  }

  has(packetId) {
    return this.#asked.has(packetId);
  }

  list() {
    return [...this.#wanted.values()].map(({ filter, qos, noLocal, granted }) => ({ filter, qos, noLocal, granted }));
  }

  /** Resolves with the QoS granted; a filter that was refused is forgotten. */
  add(filter, { qos = 0, noLocal = false } = {}) {
    return new Promise((resolve, reject) => {
      const before = this.#wanted.get(filter);
      this.#wanted.set(filter, { filter, qos, noLocal, granted: undefined, waiting: [...(before?.waiting ?? []), { resolve, reject }] });
      this.#unwanted.delete(filter);
      if (this.#online) this.#subscribe([filter]);
      this.#changed();
    });
  }

  /** Resolves when the server has answered, or at once without a connection: then it is told later. */
  remove(filter) {
    const sub = this.#wanted.get(filter);
    this.#wanted.delete(filter);
    for (const w of sub?.waiting ?? []) w.reject(new Error("unsubscribed"));
    this.#changed();
    if (!this.#online) {
      this.#unwanted.add(filter);
      return Promise.resolve(0);
    }
    return new Promise((resolve, reject) => this.#unsubscribe([filter], [{ resolve, reject }]));
  }

  #subscribe(filters) {
    const packetId = this.#newId();
    const subs = filters.map((f) => this.#wanted.get(f));
    this.#asked.set(packetId, { type: "SUBACK", subs });
    this.#send({ type: "SUBSCRIBE", packetId, filters: subs });
  }

  #unsubscribe(filters, waiting) {
    const packetId = this.#newId();
    this.#asked.set(packetId, { type: "UNSUBACK", waiting });
    this.#send({ type: "UNSUBSCRIBE", packetId, filters });
  }

  /** A connection begins. */
  resume(sessionPresent) {
    this.#online = true;
    if (sessionPresent && this.#unwanted.size > 0) this.#unsubscribe([...this.#unwanted], []);
    this.#unwanted.clear();
    const lost = [...this.#wanted.values()].filter((s) => !sessionPresent || s.granted === undefined).map((s) => s.filter);
    for (let i = 0; i < lost.length; i += 50) this.#subscribe(lost.slice(i, i + 50));
  }

  /** The connection is over: what was asked is asked again later. */
  pause() {
    this.#online = false;
    for (const asked of this.#asked.values()) for (const w of asked.waiting ?? []) w.resolve(0);
    this.#asked.clear();
  }

  /** Everything is given up. */
  end(error) {
    this.pause();
    for (const sub of this.#wanted.values()) for (const w of sub.waiting.splice(0)) w.reject(error);
  }

  /** Another session begins: it has none of the filters yet. */
  forget() {
    for (const sub of this.#wanted.values()) sub.granted = undefined;
    this.#unwanted.clear();
    this.#changed();
  }

  /** SUBACK or UNSUBACK. Reports whether it was waited for, with as many codes as filters. */
  answered(p) {
    const asked = this.#asked.get(p.packetId);
    if (!asked || asked.type !== p.type || (asked.subs && asked.subs.length !== p.reasons.length)) return false;
    this.#asked.delete(p.packetId);
    for (const w of asked.waiting ?? []) w.resolve(p.reasons[0]);
    for (const [i, sub] of (asked.subs ?? []).entries()) this.#granted(sub, p.reasons[i], p.properties.reasonString);
    this.#changed();
    return true;
  }

  #granted(sub, code, said) {
    if (this.#wanted.get(sub.filter) !== sub) return; // meanwhile something else was asked for
    const waiting = sub.waiting.splice(0);
    if (code >= 0x80) {
      this.#wanted.delete(sub.filter);
      const error = Object.assign(new Error(reasonText(code, said)), { code });
      if (waiting.length === 0) this.refused?.(sub.filter, error);
      for (const w of waiting) w.reject(error);
      return;
    }
    sub.granted = code;
    for (const w of waiting) w.resolve(code);
  }
}
