// Reading and writing the data types of MQTT [MQTT-1.5]. Nothing here trusts the other side: a Reader never reads beyond its
// bytes and never takes what a length says before it is there.

/** What the server sent is not MQTT; reason is the code for DISCONNECT. */
export class Malformed extends Error {
  constructor(message, reason = 0x81) {
    super(message);
    this.name = "Malformed";
    this.reason = reason;
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** text as UTF-8; lone surrogates, which no UTF-8 has, are refused, and NUL [MQTT-1.5.4-1, -2]. */
export function bytesOf(text) {
  if (text.includes("\0")) throw new RangeError("a NUL character cannot be sent");
  const bytes = encoder.encode(text);
  if (utf8.decode(bytes) !== text) throw new RangeError("this text has half characters, which UTF-8 cannot carry");
  return bytes;
}

export class Reader {
  #bytes;
  #view;
  at = 0;

  constructor(bytes) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left() {
    return this.#bytes.length - this.at;
  }

  #take(n) {
    if (n > this.left) throw new Malformed("a field goes beyond its packet");
    const at = this.at;
    this.at += n;
    return at;
  }

  byte() {
    return this.#view.getUint8(this.#take(1));
  }

  u16() {
    return this.#view.getUint16(this.#take(2));
  }

  u32() {
    return this.#view.getUint32(this.#take(4));
  }

  /** A Variable Byte Integer: at most four bytes, as few as possible [MQTT-1.5.5-1]. */
  varint() {
    let value = 0;
    for (let i = 0; i < 4; i++) {
      const b = this.byte();
      value += (b & 0x7f) * 128 ** i;
      if (b < 0x80) {
        if (i > 0 && b === 0) throw new Malformed("a length is written with more bytes than it needs");
        return value;
      }
    }
    throw new Malformed("a length has more than four bytes");
  }

  /** n bytes, a copy: the packet's own may go on. */
  bytes(n) {
    const at = this.#take(n);
    return this.#bytes.slice(at, at + n);
  }

  binary() {
    return this.bytes(this.u16());
  }

  string() {
    const n = this.u16();
    const at = this.#take(n);
    let text;
    try {
      text = utf8.decode(this.#bytes.subarray(at, at + n));
    } catch {
      throw new Malformed("a text is not UTF-8");
    }
    if (text.includes("\0")) throw new Malformed("a text has a NUL character");
    return text;
  }

  /** The next n bytes as a Reader of their own. */
  part(n) {
    const at = this.#take(n);
    return new Reader(this.#bytes.subarray(at, at + n));
  }

  rest() {
    return this.bytes(this.left);
  }
}

export class Writer {
  #bytes = new Uint8Array(64);
  #length = 0;

  #room(n) {
    if (this.#length + n > this.#bytes.length) {
      const more = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + n));
      more.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = more;
    }
    const at = this.#length;
    this.#length += n;
    return at;
  }

  byte(v) {
    const at = this.#room(1);
    this.#bytes[at] = v;
    return this;
  }

  u16(v) {
    return this.byte((v >>> 8) & 0xff).byte(v & 0xff);
  }

  u32(v) {
    return this.u16((v >>> 16) & 0xffff).u16(v & 0xffff);
  }

  varint(v) {
    if (!Number.isInteger(v) || v < 0 || v > 268435455) throw new RangeError("this packet would be too long for MQTT");
    do {
      const rest = Math.floor(v / 128);
      this.byte((v % 128) | (rest > 0 ? 0x80 : 0));
      v = rest;
    } while (v > 0);
    return this;
  }

  raw(bytes) {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  binary(bytes) {
    if (bytes.length > 65535) throw new RangeError("a field of more than 65535 bytes cannot be sent");
    return this.u16(bytes.length).raw(bytes);
  }

  string(text) {
    return this.binary(bytesOf(text));
  }

  done() {
    return this.#bytes.subarray(0, this.#length);
  }
}
