// What reason codes say to people [MQTT-2.4].

const texts = {
  0x04: "disconnected with will", 0x10: "nobody subscribes", 0x11: "there was no such subscription",
  0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "the gateway refuses it",
  0x84: "the gateway does not speak MQTT 5", 0x85: "client id not valid", 0x86: "wrong user name or password", 0x87: "not authorised",
  0x88: "the gateway is not available", 0x89: "the gateway is busy", 0x8a: "banned", 0x8b: "the gateway is shutting down",
  0x8c: "bad authentication method", 0x8d: "keep alive ran out", 0x8e: "another connection took over this client id",
  0x8f: "filter not valid", 0x90: "topic not valid", 0x91: "packet id in use", 0x92: "packet id not found",
  0x93: "too many messages in flight", 0x94: "topic alias not valid", 0x95: "packet too large", 0x96: "too many messages",
  0x97: "quota exceeded", 0x98: "disconnected by an operator", 0x99: "payload is not of its format", 0x9a: "retaining is not supported",
  0x9b: "QoS not supported", 0x9c: "use another instance", 0x9d: "the gateway has moved", 0x9e: "shared subscriptions are not supported",
  0x9f: "too many connects", 0xa0: "longest connection time reached", 0xa1: "subscription identifiers are not supported",
  0xa2: "wildcards are not supported",
};

/** A reason code in words, with the server's own if it said any. */
export function reasonText(code, said = "") {
  const hex = `0x${code.toString(16).toUpperCase().padStart(2, "0")}`;
  return `${texts[code] ?? "refused"} (${hex}${said ? `: ${said}` : ""})`;
}

const later = new Set([0x80, 0x83, 0x88, 0x89, 0x8b, 0x8d, 0x96, 0x97, 0x9c, 0x9d, 0x9f, 0xa0]);

/** Whether to connect again by oneself after this CONNACK or DISCONNECT: not where the same would come back. */
export const tryAgain = (code) => later.has(code);
