// The client against a server that says exactly what the test wants.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Rig, hello, publish } from "./fake.js";

const bytes = (text) => new TextEncoder().encode(text);

test("connects, subscribes, receives, unsubscribes", async () => {
  const rig = new Rig();
  const socket = rig.online();
  assert.equal(hello(socket.sent[0]).clean, true);
  assert.equal(hello(socket.sent[0]).sessionExpiry, 300);
  assert.deepEqual(rig.states.map((s) => s[0]), ["connecting", "online"]);
  const granted = rig.client.subscribe("a/#", { qos: 2 });
  assert.equal(socket.sent[1], "8209000100 0003612f2302".replace(" ", ""));
  socket.say("9004000100 01");
  assert.equal(await granted, 1);
  assert.deepEqual(rig.client.subscriptions, [{ filter: "a/#", qos: 2, noLocal: false, granted: 1 }]);
  socket.say(publish("a/b", "hello", { qos: 1, id: 7 }));
  assert.equal(Buffer.from(rig.messages[0].payload).toString(), "hello");
  assert.equal(socket.sent[2], "40020007");
  const gone = rig.client.unsubscribe("a/#");
  assert.equal(socket.sent[3], "a208000200 0003612f23".replace(" ", ""));
  socket.say("b004000200 00");
  assert.equal(await gone, 0);
  assert.deepEqual(rig.client.subscriptions, []);
  rig.client.disconnect();
  assert.equal(socket.sent.at(-1), "e000");
  assert.ok(socket.closed);
  assert.equal(rig.timers.size, 0);
});

test("a refused filter is forgotten", async () => {
  const rig = new Rig();
  const socket = rig.online();
  const refused = assert.rejects(rig.client.subscribe("secret"), (e) => e.code === 0x87 && /not authorised \(0x87/.test(e.message));
  socket.say("9004000100 87");
  await refused;
  assert.deepEqual(rig.client.subscriptions, []);
});

test("QoS 2 arrives once, over connections too", () => {
  const rig = new Rig();
  let socket = rig.online();
  socket.say(publish("t", "x", { qos: 2, id: 5 }));
  socket.say(publish("t", "x", { qos: 2, id: 5, dup: true }));
  socket.cut();
  rig.pass(30_000);
  socket = rig.socket;
  socket.open();
  socket.say("2003010000");
  socket.say(publish("t", "x", { qos: 2, id: 5, dup: true }));
  socket.say("62020005");
  assert.equal(rig.messages.length, 1);
  assert.deepEqual(socket.sent.slice(1), ["50020005", "70020005"]);
  socket.say("62020005"); // nobody knows it any more
  assert.equal(socket.sent.at(-1), "7003000592");
  socket.say(publish("t", "y", { qos: 2, id: 5 }));
  assert.equal(rig.messages.length, 2);
});

test("QoS 1 and 2 are sent again in their order where the session goes on", async () => {
  const rig = new Rig();
  let socket = rig.online();
  const one = rig.client.publish({ topic: "1", payload: bytes(""), qos: 1 });
  const two = rig.client.publish({ topic: "2", payload: bytes(""), qos: 2 });
  socket.say("50020002"); // PUBREC
  assert.equal(socket.sent.at(-1), "62020002");
  socket.cut();
  const later = rig.client.publish({ topic: "3", payload: bytes(""), qos: 1 }); // waits for the connection
  rig.pass(30_000);
  socket = rig.socket;
  socket.open();
  assert.equal(hello(socket.sent[0]).clean, false);
  socket.say("2003010000");
  assert.deepEqual(socket.sent.slice(1), ["3a06000131000100", "62020002", "3206000133000300"]);
  socket.say("40020001 7002 0002 40030003 10");
  assert.deepEqual(await Promise.all([one, two, later]), [0, 0, 0x10]);
});

test("where the session is gone it is said, and filters are subscribed again", async () => {
  const rig = new Rig();
  let socket = rig.online();
  const granted = rig.client.subscribe("a");
  socket.say("9004000100 00");
  await granted;
  const lost = assert.rejects(rig.client.publish({ topic: "1", payload: bytes(""), qos: 1 }), /nobody knows/);
  socket.cut();
  rig.pass(30_000);
  socket = rig.socket;
  socket.open();
  socket.say("2003000000");
  await lost;
  assert.match(socket.sent[1], /^8207....00000161/);
  const id = socket.sent[1].slice(4, 8);
  socket.say(`9004${id}0087`); // no more
  assert.deepEqual(rig.refused.map((r) => r[0]), ["a"]);
});

test("what the user did meanwhile is made good", async () => {
  const rig = new Rig();
  let socket = rig.online();
  const granted = rig.client.subscribe("a");
  socket.say("9004000100 00");
  await granted;
  const unanswered = rig.client.subscribe("b");
  socket.cut();
  await rig.client.unsubscribe("a");
  rig.pass(30_000);
  socket = rig.socket;
  socket.open();
  socket.say("2003010000");
  assert.deepEqual(socket.sent.slice(1).map((p) => p.slice(0, 2)), ["a2", "82"]);
  socket.say(`9004${socket.sent[2].slice(4, 8)}0001`);
  assert.equal(await unanswered, 1);
});

test("pauses between attempts grow, up to a bound, and a good connection ends that", () => {
  const rig = new Rig();
  rig.online();
  rig.pass(20_000);
  rig.socket.cut();
  const pauses = [];
  for (let i = 0; i < 8; i++) {
    assert.equal(rig.state, "waiting");
    pauses.push(rig.states.at(-1)[2]);
    rig.pass(pauses.at(-1));
    rig.socket.cut();
  }
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
  rig.client.hurry();
  rig.socket.open();
  rig.socket.say("2003000000");
  rig.pass(10_001);
  rig.socket.cut();
  assert.equal(rig.states.at(-1)[2], 1000);
  rig.client.disconnect();
  rig.pass(100_000);
  assert.equal(rig.state, "off");
  assert.equal(rig.timers.size, 0);
});

test("a server that does not answer any more is noticed", () => {
  const rig = new Rig();
  const socket = rig.online({}, "2006000003 130014"); // Server Keep Alive 20 s
  rig.pass(10_000);
  assert.equal(socket.sent.at(-1), "c000");
  socket.say("d000");
  rig.pass(10_000);
  assert.equal(socket.sent.filter((p) => p === "c000").length, 2);
  rig.pass(10_000);
  assert.equal(rig.state, "waiting");
  assert.ok(socket.closed);
  const mute = new Rig();
  mute.client.connect({ url: "ws://x", clientId: "me", keepAlive: 0, sessionExpiry: 0 });
  mute.pass(20_000);
  assert.equal(mute.state, "waiting");
});

test("reasons that would come back end the connection, others are tried again", () => {
  for (const [connack, disconnect, want, why] of [
    ["2003008600", "", "off", /wrong user name or password/], ["2003008700", "", "off", /not authorised/], ["2003008900", "", "waiting", /busy/],
    ["2003000000", "e0018e", "off", /took over/], ["2003000000", "e0018b", "waiting", /shutting down/], ["2003000000", "e00198", "off", /operator/],
    ["2003000000", "e00787 05 1f0002 6f6b", "off", /not authorised \(0x87: ok\)/], ["2003000000", "e000", "off", /0x00/],
  ]) {
    const rig = new Rig();
    const socket = rig.online({}, connack);
    if (disconnect) socket.say(disconnect);
    assert.equal(rig.state, want, connack + disconnect);
    assert.match(rig.states.at(-1)[1], why);
    assert.ok(socket.closed);
  }
});

test("what is not MQTT ends the connection, with the code said", () => {
  for (const [said, code] of [["ff00", "81"], ["d000d001", ""], ["9004000900 00", "82"], ["2003000000", "82"], ["30040001ff00", "81"], ["1000", "82"]]) {
    const rig = new Rig();
    const socket = rig.online();
    socket.say(said);
    if (code === "") {
      assert.equal(rig.state, "online"); // the rest may still come
      continue;
    }
    assert.equal(rig.state, "off", said);
    assert.ok(socket.sent.at(-1).startsWith("e0") && socket.sent.at(-1).slice(4, 6) === code, `${said}: ${socket.sent.at(-1)}`);
  }
  const rig = new Rig();
  rig.online().onmessage({ data: "text" });
  assert.equal(rig.state, "off");
  const early = new Rig();
  early.client.connect({ url: "ws://x", clientId: "me", keepAlive: 0, sessionExpiry: 0 });
  early.socket.open();
  early.socket.say(publish("a", "before CONNACK"));
  assert.equal(early.state, "off");
  assert.equal(early.messages.length, 0);
});

test("the server's limits hold", async () => {
  const rig = new Rig();
  const socket = rig.online({}, "200f00000c 210002 2401 2500 2700000014");
  await assert.rejects(rig.client.publish({ topic: "a", payload: bytes("x".repeat(30)) }), /at most 20 bytes/);
  await assert.rejects(rig.client.publish({ topic: "a", payload: bytes(""), qos: 2 }), /QoS 1 at most/);
  await assert.rejects(rig.client.publish({ topic: "a", payload: bytes(""), retain: true }), /retains nothing/);
  const three = [1, 2, 3].map((n) => rig.client.publish({ topic: String(n), payload: bytes(""), qos: 1 }));
  assert.equal(socket.sent.length, 3); // CONNECT and two: Receive Maximum
  socket.say("40020001");
  assert.equal(socket.sent.length, 4);
  socket.say("4003000297 40020003".replace("297", "297"));
  assert.equal((await Promise.allSettled(three)).map((r) => r.status).join(), "fulfilled,rejected,fulfilled");
});

test("what waits is bounded", async () => {
  const rig = new Rig();
  rig.online().cut();
  const all = Array.from({ length: 250 }, () => rig.client.publish({ topic: "a", payload: bytes(""), qos: 1 }));
  await assert.rejects(rig.client.publish({ topic: "a", payload: bytes("") }), /not connected/);
  rig.client.disconnect();
  const reasons = (await Promise.allSettled(all)).map((r) => r.reason.message);
  assert.equal(reasons.filter((r) => /too many/.test(r)).length, 50);
  assert.equal(reasons.filter((r) => /over/.test(r)).length, 200);
  await assert.rejects(rig.client.subscribe("a"), /not connected/);
});

test("a second connect with another client id is another session", async () => {
  const rig = new Rig();
  let socket = rig.online();
  const granted = rig.client.subscribe("a");
  socket.say("9004000100 00");
  await granted;
  rig.client.disconnect(true);
  assert.equal(socket.sent.at(-1), "e0020400");
  socket = rig.online({ clientId: "other", resume: true }, "2003010000");
  assert.equal(hello(socket.sent[0]).clean, false);
  assert.match(socket.sent[1], /^8207/); // asked for there, too
  assert.throws(() => rig.client.connect({}), /already/);
  rig.client.disconnect();
  assert.throws(() => rig.client.connect({ url: "ws://x", clientId: "a\0", keepAlive: 0 }), /NUL/);
  assert.equal(rig.state, "off");
});

test("a page that fails ends the connection instead of losing messages unnoticed", () => {
  const rig = new Rig();
  const socket = rig.online();
  rig.messages.push = () => {
    throw new TypeError("a defect");
  };
  assert.throws(() => socket.say(publish("a", "x") + publish("a", "y")), /a defect/);
  assert.equal(rig.state, "off");
  assert.ok(socket.closed);
});
