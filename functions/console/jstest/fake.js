// A server and a clock for the client's tests: nothing happens by itself.
import { Client } from "../page/client.js";
import { Reader, Writer } from "../page/wire.js";
import { readProperties } from "../page/properties.js";

/** Sockets are what the client has opened, the newest last; each has its packets in sent. */
export class Rig {
  sockets = [];
  states = []; // [state, why, pause]
  messages = [];
  lists = [];
  refused = [];
  time = 0;
  timers = new Map();
  #next = 1;

  constructor() {
    this.client = new Client({
      state: (...s) => this.states.push(s), message: (m) => this.messages.push(m), subscriptions: (l) => this.lists.push(l),
      refused: (filter, error) => this.refused.push([filter, error.message]),
    }, {
      open: (url) => new FakeSocket(url, this), now: () => this.time, random: () => 1,
      setTimeout: (f, ms) => {
        this.timers.set(this.#next, { f, at: this.time + ms });
        return this.#next++;
      },
      clearTimeout: (id) => this.timers.delete(id),
    });
  }

  get socket() {
    return this.sockets.at(-1);
  }

  get state() {
    return this.states.at(-1)[0];
  }

  /** Lets time pass. */
  pass(ms) {
    const end = this.time + ms;
    for (;;) {
      const [id, timer] = [...this.timers].sort((a, b) => a[1].at - b[1].at)[0] ?? [];
      if (!timer || timer.at > end) break;
      this.timers.delete(id);
      this.time = timer.at;
      timer.f();
    }
    this.time = end;
  }

  /** Begins and has the server accept. */
  online(options = {}, connack = "2003000000") {
    this.client.connect({ url: "ws://x/mqtt", clientId: "me", keepAlive: 60, sessionExpiry: 300, ...options });
    this.socket.open();
    this.socket.say(connack);
    return this.socket;
  }
}

class FakeSocket {
  readyState = 0;
  bufferedAmount = 0;
  sent = []; // packets as hex
  closed = false;

  constructor(url, rig) {
    this.url = url;
    rig.sockets.push(this);
  }

  open() {
    this.readyState = 1;
    this.onopen?.();
  }

  send(bytes) {
    this.sent.push(Buffer.from(bytes).toString("hex"));
  }

  /** Bytes from the server, as hex. */
  say(text) {
    const bytes = Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
    this.onmessage?.({ data: bytes.buffer });
  }

  /** The network is gone. */
  cut() {
    this.readyState = 3;
    this.onclose?.({ code: 1006, reason: "" });
  }

  close() {
    this.closed = true;
    this.readyState = 3;
  }
}

/** A PUBLISH of the server, as hex. */
export function publish(topic, payload, { qos = 0, id = 0, dup = false, retain = false } = {}) {
  const w = new Writer().string(topic);
  if (qos > 0) w.u16(id);
  w.byte(0).raw(new TextEncoder().encode(payload));
  const head = new Writer().byte(0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0)).varint(w.done().length);
  return Buffer.from([...head.done(), ...w.done()]).toString("hex");
}

/** Clean Start and the properties of a CONNECT. */
export function hello(sent) {
  const r = new Reader(Uint8Array.from(Buffer.from(sent, "hex")));
  r.byte();
  r.varint();
  r.string();
  r.byte();
  const clean = (r.byte() & 2) > 0;
  r.u16();
  return { clean, ...readProperties(r, "CONNECT"), clientId: r.string() };
}
