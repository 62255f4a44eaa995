// Outside data as text that shows what is in it. The result is for textContent only.

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// Characters that a reader does not see, or that change how others are seen: controls, bidirectional marks, zero width.
const unseen = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

/** A text with its invisible characters written out; lines and tabs stay. */
export function visible(text) {
  return text.replace(unseen, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** visible on one line. */
export function line(text, most = 200) {
  const one = visible(text).replace(/\s+/g, " ").trim();
  return one.length > most ? `${one.slice(0, most)}…` : one;
}

/** The payload as UTF-8; undefined if it is none. */
export function textOf(bytes) {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Offset, sixteen bytes, and those that are ASCII: as hexdump -C prints it. */
export function hex(bytes) {
  const rows = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const digits = row.map((b) => b.toString(16).padStart(2, "0"));
    const letters = row.map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : ".")).join("");
    rows.push(`${at.toString(16).padStart(6, "0")}  ${digits.join(" ").padEnd(47)}  ${letters}`);
  }
  return rows.join("\n");
}

const deepest = 40; // levels that are indented

/** JSON with a line for each member, its numbers and texts as they were written; throws where it is not JSON. */
export function pretty(text) {
  JSON.parse(text);
  let out = "";
  let depth = 0;
  const newLine = () => `\n${"  ".repeat(Math.min(depth, deepest))}`;
  const tokens = text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g);
  for (const [i, token] of tokens.entries()) {
    const empty = /^[[{]$/.test(tokens[i - 1] ?? "");
    if (token === "{" || token === "[") {
      depth++;
      out += token + (/^[\]}]$/.test(tokens[i + 1]) ? "" : newLine());
    } else if (token === "}" || token === "]") {
      depth--;
      out += (empty ? "" : newLine()) + token;
    } else if (token === ",") out += `,${newLine()}`;
    else out += token === ":" ? ": " : token;
  }
  return out;
}

const mostShown = 64 << 10; // bytes of a payload

/** A payload in the view "text", "json" or "hex": {text, note}. What it cannot be shown as is shown as what it is. */
export function payload(bytes, view) {
  const cut = bytes.subarray(0, mostShown);
  const notes = cut.length < bytes.length ? [`the first ${mostShown} of ${bytes.length} bytes`] : [];
  const whole = textOf(bytes);
  if (bytes.length === 0) return { text: "", note: "empty" };
  if (view === "hex") return { text: hex(cut), note: notes.join(", ") };
  if (whole === undefined) return { text: hex(cut), note: ["not UTF-8", ...notes].join(", ") };
  if (view === "json") {
    try {
      return { text: visible(pretty(whole).slice(0, mostShown)), note: notes.join(", ") };
    } catch {
      notes.unshift("not JSON");
    }
  }
  return { text: visible(whole.slice(0, mostShown)), note: notes.join(", ") };
}

/** The beginning of a payload, on one line. */
export function preview(bytes) {
  if (bytes.length === 0) return "(empty)";
  const text = textOf(bytes);
  return text === undefined ? line([...bytes.subarray(0, 32)].map((b) => b.toString(16).padStart(2, "0")).join(" "), 100) : line(text.slice(0, 1000));
}

/** Bytes as a text of base 64, or of hex digits, says them; throws where it is neither. */
export function bytesFrom(text, encoding) {
  if (encoding === "hex") {
    const digits = text.replace(/\s+/g, "");
    if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error("the payload is not written in hex digits, two a byte");
    return Uint8Array.from(digits.match(/../g) ?? [], (d) => parseInt(d, 16));
  }
  if (encoding === "base64") {
    let decoded;
    try {
      decoded = atob(text.replace(/\s+/g, ""));
    } catch {
      throw new Error("the payload is not base 64");
    }
    return Uint8Array.from(decoded, (c) => c.charCodeAt(0));
  }
  return new TextEncoder().encode(text);
}

/** name=value, one a line, as pairs. */
export function pairsFrom(text) {
  return text.split("\n").filter((l) => l.trim() !== "").map((l) => {
    const at = l.indexOf("=");
    if (at < 1) throw new Error(`user property "${line(l, 40)}" is not name=value`);
    return [l.slice(0, at).trim(), l.slice(at + 1).trim()];
  });
}

/** A count of bytes as people read it. */
export function size(n) {
  if (n < 1024) return `${n} B`;
  for (const unit of ["KiB", "MiB", "GiB"]) {
    n /= 1024;
    if (n < 1024 || unit === "GiB") return `${n.toFixed(n < 10 ? 1 : 0)} ${unit}`;
  }
  return "";
}
