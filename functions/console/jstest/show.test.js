// What is shown of outside data, the list of messages, topics, and the operator's requests.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Admin } from "../page/admin.js";
import { Journal } from "../page/journal.js";
import { bytesFrom, hex, pairsFrom, payload, preview, pretty, size, visible } from "../page/show.js";
import { matches, wrongFilter, wrongTopic } from "../page/topics.js";

const bytes = (text) => new TextEncoder().encode(text);

test("payloads in each view", () => {
  assert.deepEqual(payload(bytes('{"a":[1,{}],"b":"x,\\"y"}'), "json"), { text: '{\n  "a": [\n    1,\n    {}\n  ],\n  "b": "x,\\"y"\n}', note: "" });
  assert.equal(pretty("12345678901234567890"), "12345678901234567890");
  assert.equal(pretty("[]"), "[]");
  assert.deepEqual(payload(bytes("no"), "json"), { text: "no", note: "not JSON" });
  assert.deepEqual(payload(Uint8Array.of(0, 255), "text"), { text: "000000  00 ff                                            ..", note: "not UTF-8" });
  assert.equal(hex(bytes("0123456789abcdef!")).split("\n")[1].trim(), "000010  21                                               !");
  assert.equal(payload(new Uint8Array(70_000).fill(97), "text").text.length, 65536);
  assert.match(payload(new Uint8Array(70_000).fill(97), "text").note, /of 70000 bytes/);
  assert.deepEqual(payload(new Uint8Array(), "hex"), { text: "", note: "empty" });
  assert.equal(preview(Uint8Array.of(0xc3, 0x28)), "c3 28");
  const deep = "[".repeat(5000) + "]".repeat(5000);
  assert.ok(pretty(deep).length < 1_000_000);
});

test("invisible characters are seen", () => {
  assert.equal(visible("a\u202eb\0c\u200bd\te\nf"), "a\\u202eb\\u0000c\\u200bd\te\nf");
  assert.equal(preview(bytes("a\r\n b")), "a\\u000d b");
});

test("payloads as they are typed", () => {
  assert.deepEqual([...bytesFrom("00 Ff", "hex")], [0, 255]);
  assert.deepEqual([...bytesFrom("AP8=", "base64")], [0, 255]);
  assert.throws(() => bytesFrom("0", "hex"), /hex/);
  assert.throws(() => bytesFrom("%", "base64"), /base 64/);
  assert.deepEqual(pairsFrom("a=1\n\n b = x=y"), [["a", "1"], ["b", "x=y"]]);
  assert.throws(() => pairsFrom("=x"), /name=value/);
  assert.deepEqual([size(1023), size(1536), size(20 << 20)], ["1023 B", "1.5 KiB", "20 MiB"]);
});

test("topics and filters", () => {
  for (const filter of ["#", "+", "a/#", "a/+/b", "/", "a//b", "$share/g/a/#", "$SYS/#"]) assert.equal(wrongFilter(filter), "", filter);
  for (const filter of ["", "a#", "#/a", "a+/b", "$share/g", "$share//a", "$share/+/a", "\0", "x".repeat(65536)]) assert.notEqual(wrongFilter(filter), "", filter);
  assert.equal(wrongTopic("a/b"), "");
  for (const topic of ["", "a/#", "+", "\0"]) assert.notEqual(wrongTopic(topic), "");
  for (const [filter, topic, want] of [
    ["#", "a/b", true], ["#", "$SYS/a", false], ["+/a", "$SYS/a", false], ["$SYS/#", "$SYS/a", true], ["a/#", "a", true], ["a/+", "a", false],
    ["a/+", "a/", true], ["+", "a/b", false], ["a/b", "a/b", true], ["a/b", "a/b/c", false], ["$share/g/a/+", "a/x", true],
  ]) assert.equal(matches(filter, topic), want, `${filter} ${topic}`);
});

test("the journal is bounded and pauses", () => {
  const journal = new Journal({ most: 3, mostBytes: 100 });
  const add = (topic, n = 1) => journal.add({ topic, payload: new Uint8Array(n) });
  for (const topic of ["a", "b", "c", "d"]) add(topic);
  assert.deepEqual(journal.shown().map((m) => m.topic), ["d", "c", "b"]);
  assert.deepEqual([journal.came, journal.dropped, journal.size], [4, 1, 3]);
  journal.pause();
  add("e");
  for (let i = 0; i < 5; i++) add("f");
  assert.deepEqual(journal.shown().map((m) => m.topic), ["d", "c", "b"]);
  assert.equal(journal.behind, 6);
  journal.go();
  assert.deepEqual(journal.shown((m) => m.number !== 9).map((m) => m.topic), ["f", "f"]);
  add("large", 200);
  assert.deepEqual(journal.shown().map((m) => m.topic), ["large"]);
  journal.clear();
  assert.deepEqual([journal.came, journal.size, journal.dropped], [0, 0, 0]);
});

test("the operator's token goes into a header, and answers are judged", async () => {
  const asked = [];
  let answer = () => new Response('{"clients":[],"next":""}');
  const admin = new Admin(async (url, options) => {
    asked.push([url, options.headers.Authorization, options.redirect]);
    return answer();
  });
  admin.token = "secret";
  await admin.clients({ pattern: "a&b*", state: "", cursor: undefined });
  assert.deepEqual(asked, [["/v1/admin/clients?pattern=a%26b*&limit=50", "Bearer secret", "error"]]);
  answer = () => new Response('{"detail":"say it"}', { status: 401 });
  await assert.rejects(admin.client("a/b"), (e) => e.status === 401 && e.message === "say it");
  assert.equal(asked[1][0], "/v1/admin/clients/a%2Fb");
  answer = () => new Response("<html>", { status: 200 });
  await assert.rejects(admin.instances(), /not JSON/);
  answer = () => {
    throw new TypeError("failed to fetch");
  };
  await assert.rejects(admin.instances(), (e) => e.status === 0);
});
