// An MQTT 5 client over WebSocket: connects again with growing pauses, resumes its session, sends again what was not
// acknowledged. It knows nothing of the page.
import { encode, Splitter } from "./packets.js";
import { Incoming, Outgoing } from "./flight.js";
import { reasonText, tryAgain } from "./reasons.js";
import { Subscriptions } from "./subscriptions.js";
import { Malformed } from "./wire.js";

const largest = 8 << 20; // bytes of one packet that is accepted
const inFlight = 100; // QoS 1 and 2 messages that the server may have under way
const congested = 4 << 20; // bytes that wait in the socket
const answerTime = 20_000; // from opening a socket to CONNACK
const longestPause = 30_000;
const steady = 10_000; // a connection that stood so long was a good one

export class Client {
  #env;
  #on;
  #options;
  #socket;
  #splitter;
  #server = {}; // properties of CONNACK
  #fresh = true; // no connection of this session stood yet
  #failures = 0;
  #onlineSince = 0;
  #timer;
  #pings;
  #pinged = false;
  #lastId = 0;
  #out = new Outgoing((p) => this.#send(p), () => this.#newId());
  #in = new Incoming();
  #subs = new Subscriptions((p) => this.#send(p), () => this.#newId(), () => this.#on.subscriptions?.(this.#subs.list()));

  /** "off", "connecting", "online" or "waiting" for the next attempt. */
  state = "off";

  /**
   * on has the functions state(state, why), message(publish), subscriptions(list) and refused(filter, error), all optional.
   * env replaces what the browser brings: open(url), setTimeout, clearTimeout, now, random.
   */
  constructor(on = {}, env = {}) {
    this.#on = on;
    this.#env = {
      open: (url) => new WebSocket(url, ["mqtt"]),
      setTimeout: (f, ms) => setTimeout(f, ms),
      clearTimeout: (t) => clearTimeout(t),
      now: () => performance.now(),
      random: Math.random,
      ...env,
    };
    this.#subs.refused = (filter, error) => this.#on.refused?.(filter, error);
  }

  get subscriptions() {
    return this.#subs.list();
  }

  /** The client id, also one that the server chose. */
  get clientId() {
    return this.#options?.clientId ?? "";
  }

  /** The server's limits, as CONNACK had them. */
  get server() {
    return this.#server;
  }

  /** Begins: {url, clientId, username, password, keepAlive in s, sessionExpiry in s, resume, will, userProperties}. */
  connect(options) {
    if (this.state !== "off") throw new Error("there is a connection already");
    encode(this.#hello(options)); // wrong values are said now
    if (this.#options?.clientId !== options.clientId || !options.resume) { // another session
      this.#subs.forget();
      this.#in.clear();
    }
    this.#options = { ...options };
    this.#fresh = !options.resume;
    this.#failures = 0;
    this.#open();
  }

  #hello(o = this.#options) {
    return {
      type: "CONNECT", clientId: o.clientId, username: o.username || undefined, password: o.password || undefined, keepAlive: o.keepAlive,
      cleanStart: this.#fresh, will: o.will,
      properties: { sessionExpiry: o.sessionExpiry, receiveMaximum: inFlight, maximumPacketSize: largest, userProperties: o.userProperties },
    };
  }

  #open() {
    this.#become("connecting");
    let socket;
    try {
      socket = this.#env.open(this.#options.url);
    } catch (error) {
      this.#end(`cannot connect: ${error.message}`);
      return;
    }
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#splitter = new Splitter(largest);
    this.#timer = this.#env.setTimeout(() => this.#broken("no answer from the gateway"), answerTime);
    socket.onopen = () => this.#send(this.#hello());
    socket.onmessage = (e) => this.#received(e.data);
    socket.onclose = (e) => this.#broken(this.state === "online" ? `the connection broke${e.reason ? `: ${e.reason}` : ""}` : "the gateway cannot be reached");
  }

  #received(data) {
    const socket = this.#socket;
    try {
      if (typeof data === "string") throw new Malformed("a text message is no MQTT [MQTT-6.0.0-1]");
      for (const p of this.#splitter.push(new Uint8Array(data))) {
        this.#handle(p);
        if (this.#socket !== socket) return;
      }
    } catch (error) {
      const theirs = error instanceof Malformed;
      this.#send({ type: "DISCONNECT", reason: theirs ? error.reason : 0x80 });
      this.#end(theirs ? `what the gateway sent is not MQTT: ${error.message}` : "this page failed");
      if (!theirs) throw error;
    }
  }

  #handle(p) {
    this.#pinged = false;
    if (this.state === "connecting" && p.type !== "CONNACK" && p.type !== "DISCONNECT") throw new Malformed(`${p.type} came before CONNACK`, 0x82);
    switch (p.type) {
      case "CONNACK": return this.#connected(p);
      case "PUBLISH":
        if (this.#in.take(p, (answer) => this.#send(answer))) this.#on.message?.(p);
        return undefined;
      case "PUBREL": return this.#in.release(p.packetId, (answer) => this.#send(answer));
      case "PUBACK": case "PUBREC": case "PUBCOMP": return this.#out.answered(p);
      case "SUBACK": case "UNSUBACK":
        if (!this.#subs.answered(p)) throw new Malformed(`${p.type} answers nothing that was asked`, 0x82);
        return undefined;
      case "DISCONNECT": {
        const why = reasonText(p.reason, p.properties.reasonString);
        return tryAgain(p.reason) ? this.#broken(why) : this.#end(why);
      }
      case "PINGRESP": return undefined;
      default: throw new Malformed(`${p.type} was not expected`, 0x82);
    }
  }

  #connected(p) {
    if (this.state !== "connecting") throw new Malformed("CONNACK came twice", 0x82);
    if (p.reason >= 0x80) {
      const why = reasonText(p.reason, p.properties.reasonString);
      return tryAgain(p.reason) ? this.#broken(why) : this.#end(why);
    }
    if (p.sessionPresent && this.#fresh) throw new Malformed("CONNACK has a session that was not asked for", 0x82);
    this.#env.clearTimeout(this.#timer);
    this.#server = p.properties;
    this.#options.clientId = p.properties.assignedClientId ?? this.#options.clientId;
    const resumed = p.sessionPresent;
    this.#fresh = false;
    this.#onlineSince = this.#env.now();
    if (!resumed) this.#in.clear();
    this.#become("online", resumed ? "the session goes on" : "a new session");
    this.#subs.resume(resumed);
    this.#out.resume(resumed, p.properties.receiveMaximum ?? 65535);
    this.#ping();
    return undefined;
  }

  /** Sends PINGREQ every half keep alive; what is not answered until the next one has broken. */
  #ping() {
    const seconds = this.#server.serverKeepAlive ?? this.#options.keepAlive;
    this.#pinged = false;
    if (seconds === 0) return;
    const tick = () => {
      if (this.#pinged) return this.#broken("the gateway does not answer any more");
      this.#pinged = true;
      this.#send({ type: "PINGREQ" });
      this.#pings = this.#env.setTimeout(tick, seconds * 500);
      return undefined;
    };
    this.#pings = this.#env.setTimeout(tick, seconds * 500);
  }

  #send(p) {
    if (this.#socket?.readyState === 1) this.#socket.send(encode(p));
  }

  #newId() {
    for (;;) {
      this.#lastId = (this.#lastId % 65535) + 1;
      if (!this.#out.has(this.#lastId) && !this.#subs.has(this.#lastId)) return this.#lastId;
    }
  }

  /** Lets go of the socket. */
  #drop() {
    this.#env.clearTimeout(this.#timer);
    this.#env.clearTimeout(this.#pings);
    const socket = this.#socket;
    this.#socket = undefined;
    this.#out.pause();
    this.#subs.pause();
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** The connection is over and is tried again after a pause, which grows and is never the same for all. */
  #broken(why) {
    const stood = this.state === "online" && this.#env.now() - this.#onlineSince > steady;
    this.#drop();
    this.#failures = stood ? 1 : this.#failures + 1;
    const pause = Math.min(longestPause, 500 * 2 ** this.#failures) * (0.5 + this.#env.random() / 2);
    this.#timer = this.#env.setTimeout(() => this.#open(), pause);
    this.#become("waiting", why, pause);
  }

  /** The connection is over and stays so. */
  #end(why) {
    this.#drop();
    this.#out.fail(new Error("the connection is over"));
    this.#subs.end(new Error("the connection is over"));
    this.#become("off", why);
  }

  #become(state, why = "", pause = 0) {
    this.state = state;
    this.#on.state?.(state, why, pause);
  }

  /** Tries again now, while it waits to. */
  hurry() {
    if (this.state !== "waiting") return;
    this.#env.clearTimeout(this.#timer);
    this.#open();
  }

  /** Ends the connection; withWill lets the gateway publish the will. */
  disconnect(withWill = false) {
    if (this.state === "off") return;
    this.#send({ type: "DISCONNECT", reason: withWill ? 4 : 0 });
    this.#end("");
  }

  /** Resolves with the QoS granted. */
  async subscribe(filter, options) {
    this.#needs();
    return this.#subs.add(filter, options);
  }

  /** Resolves when the gateway has answered. */
  async unsubscribe(filter) {
    return this.#subs.remove(filter);
  }

  /** {topic, payload as bytes, qos, retain, properties}. Resolves with the gateway's reason code; at QoS 0 once it is sent. */
  async publish(message) {
    this.#needs();
    const packet = { type: "PUBLISH", qos: 0, retain: false, dup: false, packetId: 1, ...message };
    const size = encode(packet).length;
    if (size > (this.#server.maximumPacketSize ?? Infinity)) throw new Error(`the gateway takes packets of at most ${this.#server.maximumPacketSize} bytes, this one has ${size}`);
    if (packet.qos > (this.#server.maximumQoS ?? 2)) throw new Error(`the gateway takes QoS ${this.#server.maximumQoS} at most`);
    if (packet.retain && this.#server.retainAvailable === 0) throw new Error("the gateway retains nothing");
    if (packet.qos > 0) return this.#out.add(packet);
    if (this.state !== "online") throw new Error("not connected at the moment");
    if (this.#socket.bufferedAmount > congested) throw new Error("the connection is too slow for more");
    this.#send(packet);
    return 0;
  }

  #needs() {
    if (this.state === "off") throw new Error("not connected");
  }
}
