// Topic names and filters [MQTT-4.7].

const longest = 65535;

function sized(text) {
  return text.length > 0 && !text.includes("\0") && new TextEncoder().encode(text).length <= longest;
}

/** Why a topic cannot be published to; "" if it can. */
export function wrongTopic(topic) {
  if (!sized(topic)) return "A topic has 1 to 65535 bytes.";
  if (/[+#]/.test(topic)) return "A topic to publish to has no + and no #.";
  return "";
}

/** Why a filter cannot be subscribed to; "" if it can. */
export function wrongFilter(filter) {
  if (!sized(filter)) return "A filter has 1 to 65535 bytes.";
  const shared = /^\$share\/([^/]*)\/(.*)$/s.exec(filter);
  if (filter.startsWith("$share/") && (!shared || !shared[1] || /[+#]/.test(shared[1]) || !shared[2])) {
    return "A shared filter is $share/group/filter.";
  }
  const levels = (shared ? shared[2] : filter).split("/");
  for (const [i, level] of levels.entries()) {
    if (level.includes("#") && (level !== "#" || i < levels.length - 1)) return "# stands alone, as the last level.";
    if (level.includes("+") && level !== "+") return "+ stands alone between slashes.";
  }
  return "";
}

/** Whether a filter, possibly a shared one, matches a topic. */
export function matches(filter, topic) {
  const shared = /^\$share\/[^/]+\/(.*)$/s.exec(filter);
  const want = (shared ? shared[1] : filter).split("/");
  const have = topic.split("/");
  if (topic.startsWith("$") && (want[0] === "+" || want[0] === "#")) return false; // [MQTT-4.7.2-1]
  for (const [i, level] of want.entries()) {
    if (level === "#") return true;
    if (i >= have.length || (level !== "+" && level !== have[i])) return false;
  }
  return want.length === have.length;
}
