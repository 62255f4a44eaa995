// The packets of MQTT 5 that a client writes and reads [MQTT-3]. A packet is an object with its name in `type`.
import { Malformed, Reader, Writer } from "./wire.js";
import { readProperties, writeProperties } from "./properties.js";

const names = ["", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE", "SUBACK",
  "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"];

const acks = new Set(["PUBACK", "PUBREC", "PUBREL", "PUBCOMP"]);

/** Byte 1 and the Remaining Length before a body. */
function framed(type, flags, body) {
  const head = new Writer().byte((names.indexOf(type) << 4) | flags).varint(body.length).done();
  const out = new Uint8Array(head.length + body.length);
  out.set(head);
  out.set(body, head.length);
  return out;
}

const writers = {
  CONNECT(w, p) {
    const will = p.will;
    const flags = (p.cleanStart ? 2 : 0) | (will ? 4 | (will.qos << 3) | (will.retain ? 0x20 : 0) : 0) |
      (p.password !== undefined ? 0x40 : 0) | (p.username !== undefined ? 0x80 : 0);
    w.string("MQTT").byte(5).byte(flags).u16(p.keepAlive);
    writeProperties(w, "CONNECT", p.properties);
    w.string(p.clientId);
    if (will) {
      writeProperties(w, "will", will.properties);
      w.string(will.topic).binary(will.payload);
    }
    if (p.username !== undefined) w.string(p.username);
    if (p.password !== undefined) w.string(p.password);
  },
  PUBLISH(w, p) {
    w.string(p.topic);
    if (p.qos > 0) w.u16(p.packetId);
    writeProperties(w, "PUBLISH", p.properties);
    w.raw(p.payload);
  },
  SUBSCRIBE(w, p) {
    w.u16(p.packetId);
    writeProperties(w, "SUBSCRIBE", p.properties);
    for (const s of p.filters) w.string(s.filter).byte(s.qos | (s.noLocal ? 4 : 0) | (s.retainAsPublished ? 8 : 0) | ((s.retainHandling ?? 0) << 4));
  },
  UNSUBSCRIBE(w, p) {
    w.u16(p.packetId);
    writeProperties(w, "UNSUBSCRIBE", p.properties);
    for (const filter of p.filters) w.string(filter);
  },
  PINGREQ() {},
  DISCONNECT(w, p) {
    if (p.reason || p.properties) {
      w.byte(p.reason ?? 0);
      writeProperties(w, "DISCONNECT", p.properties);
    }
  },
};

/** The bytes of a packet. */
export function encode(p) {
  const w = new Writer();
  let flags = 0;
  if (acks.has(p.type)) {
    w.u16(p.packetId);
    if (p.reason) w.byte(p.reason);
  } else {
    writers[p.type](w, p);
  }
  if (p.type === "PUBLISH") flags = (p.dup ? 8 : 0) | (p.qos << 1) | (p.retain ? 1 : 0);
  if (p.type === "PUBREL" || p.type === "SUBSCRIBE" || p.type === "UNSUBSCRIBE") flags = 2;
  return framed(p.type, flags, w.done());
}

/** A packet id, which is not 0 [MQTT-2.2.1-3]. */
function packetId(r) {
  const id = r.u16();
  if (id === 0) throw new Malformed("a packet id is 0", 0x82);
  return id;
}

/** Reason code and properties at a packet's end; both may be left out. */
function ending(r, type) {
  return { reason: r.left > 0 ? r.byte() : 0, properties: r.left > 0 ? readProperties(r, type) : {} };
}

const readers = {
  CONNACK(r) {
    const flags = r.byte();
    if (flags > 1) throw new Malformed("CONNACK has reserved flags");
    return { sessionPresent: flags === 1, reason: r.byte(), properties: readProperties(r, "CONNACK") };
  },
  PUBLISH(r, flags) {
    const qos = (flags >> 1) & 3;
    if (qos === 3) throw new Malformed("PUBLISH has QoS 3");
    if (qos === 0 && flags & 8) throw new Malformed("PUBLISH of QoS 0 has DUP");
    const p = { dup: (flags & 8) > 0, qos, retain: (flags & 1) > 0, topic: r.string() };
    if (/[+#]/.test(p.topic)) throw new Malformed("PUBLISH has a topic with wildcards", 0x90);
    if (qos > 0) p.packetId = packetId(r);
    p.properties = readProperties(r, "PUBLISH");
    if (p.topic === "" || p.properties.topicAlias !== undefined) throw new Malformed("the server uses topic aliases, which it was not allowed", 0x94);
    p.payload = r.rest();
    return p;
  },
  SUBACK: granted,
  UNSUBACK: granted,
  PINGRESP: () => ({}),
  DISCONNECT: ending,
  AUTH: ending,
};

function granted(r, type) {
  const p = { packetId: packetId(r), properties: readProperties(r, type) };
  p.reasons = [...r.rest()];
  if (p.reasons.length === 0) throw new Malformed(`${type} has no reason code`);
  return p;
}

function decode(first, body) {
  const type = names[first >> 4];
  const flags = first & 15;
  const r = new Reader(body);
  if (type !== "PUBLISH" && flags !== (type === "PUBREL" ? 2 : 0)) throw new Malformed(`${type || "a packet"} has wrong flags`);
  let p;
  if (acks.has(type)) p = { packetId: packetId(r), ...ending(r, type) };
  else if (type === "PUBLISH") p = readers.PUBLISH(r, flags);
  else if (type in readers && type !== "") p = readers[type](r, type);
  else throw new Malformed(`a server sends no ${type || "packet of type 0"}`, 0x82);
  if (r.left > 0) throw new Malformed(`${type} is longer than what it says`);
  return { type, ...p };
}

/** Splitter makes packets of bytes as they come: WebSocket messages and packets need not begin together [MQTT-6.0.0-2]. */
export class Splitter {
  #max;
  #parts = []; // what has come and is not read, in order
  #size = 0;

  /** No packet may be longer than max bytes. */
  constructor(max) {
    this.#max = max;
  }

  /** The packets that are whole with these bytes. Throws Malformed; after that it is of no use. */
  *push(bytes) {
    this.#parts.push(bytes);
    this.#size += bytes.length;
    for (;;) {
      const head = this.#head();
      if (!head || this.#size < head.total) return;
      const whole = this.#gather();
      const packet = decode(whole[0], whole.subarray(head.start, head.total));
      this.#parts = head.total < whole.length ? [whole.subarray(head.total)] : [];
      this.#size -= head.total;
      yield packet;
    }
  }

  /** Where the body begins and ends; undefined: not known yet. */
  #head() {
    let length = 0;
    for (let i = 1; i <= 4 && i < this.#size; i++) {
      const b = this.#byteAt(i);
      length += (b & 0x7f) * 128 ** (i - 1);
      if (b >= 0x80) continue;
      if (i > 1 && b === 0) throw new Malformed("a length is written with more bytes than it needs");
      if (length + i + 1 > this.#max) throw new Malformed("the server sent a larger packet than it was allowed", 0x95);
      return { start: i + 1, total: i + 1 + length };
    }
    if (this.#size >= 5) throw new Malformed("a length has more than four bytes");
    return undefined;
  }

  #byteAt(i) {
    for (const part of this.#parts) {
      if (i < part.length) return part[i];
      i -= part.length;
    }
    return 0;
  }

  /** All bytes in one piece. */
  #gather() {
    if (this.#parts.length > 1) {
      const whole = new Uint8Array(this.#size);
      let at = 0;
      for (const part of this.#parts) {
        whole.set(part, at);
        at += part.length;
      }
      this.#parts = [whole];
    }
    return this.#parts[0];
  }
}
