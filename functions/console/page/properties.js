// The properties of MQTT 5 [MQTT-2.2.2]: number, name and type of each, and in which packets it may be.
import { Malformed, Writer } from "./wire.js";

const many = new Set(["userProperties", "subscriptionIdentifier"]);

const table = [
  [0x01, "payloadFormat", "byte", "PUBLISH will"],
  [0x02, "messageExpiry", "u32", "PUBLISH will"],
  [0x03, "contentType", "string", "PUBLISH will"],
  [0x08, "responseTopic", "string", "PUBLISH will"],
  [0x09, "correlationData", "binary", "PUBLISH will"],
  [0x0b, "subscriptionIdentifier", "varint", "PUBLISH SUBSCRIBE"],
  [0x11, "sessionExpiry", "u32", "CONNECT CONNACK DISCONNECT"],
  [0x12, "assignedClientId", "string", "CONNACK"],
  [0x13, "serverKeepAlive", "u16", "CONNACK"],
  [0x15, "authMethod", "string", "CONNECT CONNACK AUTH"],
  [0x16, "authData", "binary", "CONNECT CONNACK AUTH"],
  [0x17, "requestProblemInformation", "byte", "CONNECT"],
  [0x18, "willDelay", "u32", "will"],
  [0x19, "requestResponseInformation", "byte", "CONNECT"],
  [0x1a, "responseInformation", "string", "CONNACK"],
  [0x1c, "serverReference", "string", "CONNACK DISCONNECT"],
  [0x1f, "reasonString", "string", "CONNACK PUBACK PUBREC PUBREL PUBCOMP SUBACK UNSUBACK DISCONNECT AUTH"],
  [0x21, "receiveMaximum", "u16", "CONNECT CONNACK"],
  [0x22, "topicAliasMaximum", "u16", "CONNECT CONNACK"],
  [0x23, "topicAlias", "u16", "PUBLISH"],
  [0x24, "maximumQoS", "byte", "CONNACK"],
  [0x25, "retainAvailable", "byte", "CONNACK"],
  [0x26, "userProperties", "pair", "CONNECT CONNACK PUBLISH will PUBACK PUBREC PUBREL PUBCOMP SUBSCRIBE SUBACK UNSUBSCRIBE UNSUBACK DISCONNECT AUTH"],
  [0x27, "maximumPacketSize", "u32", "CONNECT CONNACK"],
  [0x28, "wildcardAvailable", "byte", "CONNACK"],
  [0x29, "subscriptionIdentifierAvailable", "byte", "CONNACK"],
  [0x2a, "sharedAvailable", "byte", "CONNACK"],
];
const rows = table.map(([id, name, type, packets]) => ({ id, name, type, packets: new Set(packets.split(" ")) }));
const byId = new Map(rows.map((row) => [row.id, row]));
const byName = new Map(rows.map((row) => [row.name, row]));

const one = (reader, type) => (type === "pair" ? [reader.string(), reader.string()] : reader[type]());

/** Reads the properties of a packet of the kind; those that may come several times are lists. */
export function readProperties(reader, kind) {
  const out = {};
  const part = reader.part(reader.varint());
  while (part.left > 0) {
    const row = byId.get(part.varint());
    if (!row || !row.packets.has(kind)) throw new Malformed(`${kind} has a property that it cannot have`);
    const value = one(part, row.type);
    if (many.has(row.name)) (out[row.name] ??= []).push(value);
    else if (row.name in out) throw new Malformed(`${kind} has the property ${row.name} twice`, 0x82);
    else out[row.name] = value;
  }
  return out;
}

/** Writes properties; those that are undefined are left out. */
export function writeProperties(writer, kind, properties = {}) {
  const part = new Writer();
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    const row = byName.get(name);
    if (!row || !row.packets.has(kind)) throw new RangeError(`${kind} has no property ${name}`);
    for (const v of many.has(name) ? [value].flat(row.type === "pair" ? 1 : 2) : [value]) {
      part.varint(row.id);
      if (row.type === "pair") part.string(v[0]).string(v[1]);
      else part[row.type](v);
    }
  }
  writer.varint(part.done().length).raw(part.done());
}
