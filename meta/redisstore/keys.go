package redisstore

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// exactShards is how many slots the holders of exact filters are spread over. It is part of the stored format.
const exactShards = 64

// keys names every key of the store; README.md documents them.
type keys struct{ prefix string }

// escape makes a name safe inside a hash tag: the tag ends at the first '}', and an empty tag is none.
func escape(name string) string {
	if name == "" {
		return "%"
	}
	if !strings.ContainsAny(name, "%{}") {
		return name
	}
	return strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D").Replace(name)
}

// unescape undoes escape.
func unescape(tag string) string {
	if tag == "%" {
		return ""
	}
	if !strings.Contains(tag, "%") {
		return tag
	}
	return strings.NewReplacer("%25", "%", "%7B", "{", "%7D", "}").Replace(tag)
}

func (k keys) session(clientID string) string { return k.prefix + "s:{" + escape(clientID) + "}" }

// sessionParts are the six keys of a session in the order in which the scripts take them.
func (k keys) sessionParts(clientID string) []string {
	s := k.session(clientID)
	return []string{s, s + ":sub", s + ":cur", s + ":out", s + ":in", s + ":w"}
}

// wills is the hash of the wills of connections that ended.
func (k keys) wills(clientID string) string { return k.session(clientID) + ":w" }

// clientID returns the client id of a session header's key.
func (k keys) clientID(key string) (string, bool) {
	tag, ok := strings.CutPrefix(key, k.prefix+"s:{")
	if !ok {
		return "", false
	}
	tag, ok = strings.CutSuffix(tag, "}")
	if !ok || strings.Contains(tag, "}") {
		return "", false
	}
	return unescape(tag), true
}

// willsOf returns the client id of a wills key.
func (k keys) willsOf(key string) (string, bool) {
	header, ok := strings.CutSuffix(key, ":w")
	if !ok {
		return "", false
	}
	return k.clientID(header)
}

// sessionPattern is a SCAN pattern for the headers of all sessions.
func (k keys) sessionPattern() string { return k.scanPattern("s:{*}") }

// reconcilePattern matches the headers of all sessions and all wills: no other key of a session ends with a "w".
func (k keys) reconcilePattern() string { return k.scanPattern("s:{*[}w]") }

func (k keys) scanPattern(rest string) string {
	quote := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`)
	return quote.Replace(k.prefix) + rest
}

func (k keys) due() string                    { return k.prefix + "due" }
func (k keys) instances() string              { return k.prefix + "inst" }
func (k keys) owned(instance string) string   { return k.prefix + "inst:{" + escape(instance) + "}:s" }
func (k keys) channel(instance string) string { return k.prefix + "word:" + instance }
func (k keys) wildcards() slot                { return slot{k.prefix + "reg:{v}"} }
func (k keys) own(clientID string) string     { return k.ownPart(shardOf(clientID)) }
func (k keys) ownPart(shard int) string       { return fmt.Sprintf("%sown:{%02d}", k.prefix, shard) }

func (k keys) exact(shard int) slot { return slot{fmt.Sprintf("%sreg:{x%02d}", k.prefix, shard)} }

func (k keys) slotOf(filter string) slot {
	if isWildcard(filter) {
		return k.wildcards()
	}
	return k.exact(shardOf(filter))
}

// slot is a part of the registry whose keys share one hash slot.
type slot struct{ head string }

func (s slot) set() string                   { return s.head + ":set" }
func (s slot) log() string                   { return s.head + ":log" }
func (s slot) named() string                 { return s.head + ":n" }
func (s slot) count(store string) string     { return s.head + ":a:" + store }
func (s slot) holders(filter string) string  { return s.head + ":h:" + filter }
func (s slot) groups(filter string) string   { return s.head + ":g:" + filter }
func (s slot) finished(filter string) string { return s.head + ":q:" + filter }

// isWildcard reports whether the filter has a wildcard; the characters are not allowed in topic names [MQTT-3.3.2-2].
func isWildcard(filter string) bool { return strings.ContainsAny(filter, "+#") }

// shardOf spreads exact filters over the shards (FNV-1a, 32 bit).
func shardOf(filter string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(filter))
	return int(h.Sum32() % exactShards)
}
