// The codec: what is written, what is read, and what is refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { encode, Splitter } from "../page/packets.js";
import { Malformed, Reader, Writer, bytesOf } from "../page/wire.js";

const hex = (bytes) => Buffer.from(bytes).toString("hex");
const read = (text, max = 1000) => [...new Splitter(max).push(Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex")))];
const refused = (text, reason) => assert.throws(() => read(text), (e) => e instanceof Malformed && e.reason === reason, text);

test("packets are written byte for byte", () => {
  for (const [packet, want] of [
    [{ type: "PINGREQ" }, "c000"],
    [{ type: "DISCONNECT", reason: 0 }, "e000"],
    [{ type: "DISCONNECT", reason: 4 }, "e0020400"],
    [{ type: "PUBACK", packetId: 258 }, "40020102"],
    [{ type: "PUBREL", packetId: 1, reason: 0x92 }, "6203000192"],
    [{ type: "CONNECT", clientId: "a", cleanStart: true, keepAlive: 60, properties: {} }, "100e 0004 4d515454 05 02 003c 00 0001 61"],
    [{ type: "CONNECT", clientId: "", cleanStart: false, keepAlive: 0, username: "u", password: "p", properties: { sessionExpiry: 1 },
      will: { topic: "t", payload: Uint8Array.of(9), qos: 1, retain: true, properties: { willDelay: 2 } } },
    "1024 0004 4d515454 05 ec 0000 05 1100000001 0000 05 1800000002 0001 74 0001 09 0001 75 0001 70"],
    [{ type: "SUBSCRIBE", packetId: 1, filters: [{ filter: "a/#", qos: 2, noLocal: true }] }, "8209 0001 00 0003 612f23 06"],
    [{ type: "UNSUBSCRIBE", packetId: 1, filters: ["a", "b"] }, "a209 0001 00 0001 61 0001 62"],
    [{ type: "PUBLISH", topic: "a", qos: 0, payload: Uint8Array.of(1, 2), properties: { userProperties: [["k", "v"], ["k", "w"]] } },
      "3014 0001 61 0e 26 0001 6b 0001 76 26 0001 6b 0001 77 01 02"],
    [{ type: "PUBLISH", topic: "a", qos: 2, dup: true, retain: true, packetId: 7, payload: new Uint8Array() }, "3d06 0001 61 0007 00"],
  ]) assert.equal(hex(encode(packet)), want.replace(/\s/g, ""), packet.type);
});

test("packets are read", () => {
  const [ack] = read("2008 01 00 05 2100 0a 24 01".replace(/ /g, ""));
  assert.deepEqual(ack, { type: "CONNACK", sessionPresent: true, reason: 0, properties: { receiveMaximum: 10, maximumQoS: 1 } });
  const [publish] = read("3313 0001 61 0007 0c 0b05 0bff7f 26 0001 6b 0001 76 ff".replace(/ /g, ""));
  assert.deepEqual({ ...publish, payload: [...publish.payload] }, {
    type: "PUBLISH", dup: false, qos: 1, retain: true, topic: "a", packetId: 7, payload: [255],
    properties: { subscriptionIdentifier: [5, 16383], userProperties: [["k", "v"]] },
  });
  assert.deepEqual(read("40020001 4003000110 4004000110 00 d000 9005000100 0087 e000").map((p) => [p.type, p.reason ?? p.reasons]), [
    ["PUBACK", 0], ["PUBACK", 16], ["PUBACK", 16], ["PINGRESP", undefined], ["SUBACK", [0, 0x87]], ["DISCONNECT", 0],
  ]);
});

test("packets may come in any pieces", () => {
  const all = Buffer.from("d000300700016100010203400200ff9004000100009004000200 01d000".replace(/ /g, ""), "hex");
  const want = [...new Splitter(100).push(Uint8Array.from(all))];
  assert.equal(want.length, 6);
  for (let step = 1; step < all.length; step++) {
    const splitter = new Splitter(100);
    const got = [];
    for (let at = 0; at < all.length; at += step) got.push(...splitter.push(Uint8Array.from(all.subarray(at, at + step))));
    assert.deepEqual(got, want, `pieces of ${step}`);
  }
});

test("what is malformed is refused with its code", () => {
  for (const [text, reason] of [
    ["0000", 0x82], ["1000", 0x82], ["8000", 0x82], ["c000", 0x82], // what no server sends
    ["2003020000", 0x81], ["2003000001", 0x81], ["20020000", 0x81], ["2100", 0x81], // CONNACK: flags, no properties
    ["36050001610001", 0x81], ["3804000161 00", 0x81], ["3005000000 0000", 0x94], // PUBLISH: QoS 3, DUP with QoS 0, no topic
    ["300400012b00", 0x90], ["30040001ff00", 0x81], ["300400010000", 0x81], ["30070001610323 0001", 0x94], // wildcard, no UTF-8, NUL, alias
    ["3206000161000000", 0x82], ["40020000", 0x82], ["4001 00", 0x81], // packet id 0, none
    ["3006000161 02 1300", 0x81], ["30040001 6105", 0x81], ["3008000161040100 0101", 0x82], // not of PUBLISH, too long, twice
    ["30808000", 0x81], ["d08000", 0x81], ["30ffffffff01", 0x81], ["30ffff7f", 0x95], // lengths
    ["d001 00", 0x81], ["90030001 00", 0x81], ["6002 0001", 0x81], ["f100", 0x81], // too long, no codes, flags
  ]) refused(text, reason);
});

test("nothing that a server sends does more than being refused", () => {
  let seed = 1;
  const random = (n) => (seed = (seed * 48271) % 2147483647) % n;
  const whole = ["200800000521000a2401", "331300016100070c0b050bff7f26 00016b000176ff", "9005000100 0087", "e00700 051f0002 6f6b", "62020001"]
    .map((t) => Buffer.from(t.replace(/ /g, ""), "hex"));
  for (let i = 0; i < 5_000; i++) {
    const bytes = Uint8Array.from(whole[random(whole.length)]);
    for (let n = random(4); n >= 0; n--) bytes[random(bytes.length)] = random(256);
    try {
      for (const p of new Splitter(1 << 20).push(bytes.subarray(0, 1 + random(bytes.length)))) assert.equal(typeof p.type, "string");
    } catch (error) {
      assert.ok(error instanceof Malformed, `${hex(bytes)}: ${error.stack}`);
    }
  }
});

test("numbers and texts", () => {
  for (const n of [0, 127, 128, 16383, 16384, 2097151, 2097152, 268435455]) {
    assert.equal(new Reader(new Writer().varint(n).done()).varint(), n);
  }
  assert.throws(() => new Writer().varint(268435456), RangeError);
  assert.equal(new Reader(new Writer().u32(0xffffffff).done()).u32(), 0xffffffff);
  assert.equal(new Reader(new Writer().string("\ufeffä😀").done()).string(), "\ufeffä😀");
  assert.throws(() => bytesOf("a\0"), RangeError);
  assert.throws(() => bytesOf("\ud83d"), RangeError);
  assert.throws(() => new Writer().string("x".repeat(65536)), RangeError);
});
