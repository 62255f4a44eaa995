// What a session remembers of messages under way, over connections [MQTT-4.1, 4.3, 4.4].
import { reasonText } from "./reasons.js";

const mostQueued = 200;

/** Outgoing are the QoS 1 and 2 messages of the session that the server has not answered to the end. */
export class Outgoing {
  #flying = new Map(); // packet id -> {packet, released, resolve, reject}, in the order they were sent
  #queue = []; // not sent yet
  #receiveMaximum = 0; // 0: there is no connection
  #send;
  #newId;

  /** send writes a packet; newId returns a free packet id. */
  constructor(send, newId) {
    this.#send = send;
    this.#newId = newId;
  }

  has(id) {
    return this.#flying.has(id);
  }

  get size() {
    return this.#flying.size + this.#queue.length;
  }

  /** Sends a message when it is its turn; resolves with the reason code that the server gives it. */
  add(packet) {
    if (this.#queue.length >= mostQueued) return Promise.reject(new Error("too many messages wait for the gateway"));
    return new Promise((resolve, reject) => {
      this.#queue.push({ packet, released: false, resolve, reject });
      this.#go();
    });
  }

  #go() {
    while (this.#queue.length > 0 && this.#flying.size < this.#receiveMaximum) {
      const m = this.#queue.shift();
      m.packet.packetId = this.#newId();
      this.#flying.set(m.packet.packetId, m);
      this.#send(m.packet);
    }
  }

  /** A connection begins. What was under way is sent again if the session is the same [MQTT-4.4.0-1]. */
  resume(sessionPresent, receiveMaximum) {
    if (!sessionPresent) this.fail(new Error("the session is gone: nobody knows whether this message was stored"), false);
    for (const [packetId, m] of this.#flying) {
      this.#send(m.released ? { type: "PUBREL", packetId } : { ...m.packet, dup: true });
    }
    this.#receiveMaximum = receiveMaximum;
    this.#go();
  }

  /** The connection is over. */
  pause() {
    this.#receiveMaximum = 0;
  }

  /** PUBACK, PUBREC or PUBCOMP. */
  answered(p) {
    const m = this.#flying.get(p.packetId);
    const failed = p.reason >= 0x80;
    if (p.type === "PUBREC" && !failed && (!m || m.packet.qos === 2)) {
      if (m) m.released = true;
      this.#send({ type: "PUBREL", packetId: p.packetId, reason: m ? 0 : 0x92 });
      if (m) m.reason = p.reason;
      return;
    }
    if (!m) return;
    this.#flying.delete(p.packetId);
    if (failed) m.reject(new Error(reasonText(p.reason, p.properties.reasonString)));
    else m.resolve(m.reason ?? p.reason);
    this.#go();
  }

  /** Gives up what is under way, and with all, what waits, too. */
  fail(error, all = true) {
    const lost = [...this.#flying.values(), ...(all ? this.#queue.splice(0) : [])];
    this.#flying.clear();
    for (const m of lost) m.reject(error);
  }
}

/** Incoming are the packet ids of QoS 2 messages that were taken and that the server has not released [MQTT-4.3.3]. */
export class Incoming {
  #taken = new Set();

  /** Answers a PUBLISH; reports whether it is to be shown: a second time it is not. */
  take(p, send) {
    if (p.qos === 1) send({ type: "PUBACK", packetId: p.packetId });
    if (p.qos < 2) return true;
    const again = this.#taken.has(p.packetId);
    this.#taken.add(p.packetId);
    send({ type: "PUBREC", packetId: p.packetId });
    return !again;
  }

  release(packetId, send) {
    const known = this.#taken.delete(packetId);
    send({ type: "PUBCOMP", packetId, reason: known ? 0 : 0x92 });
  }

  clear() {
    this.#taken.clear();
  }
}
