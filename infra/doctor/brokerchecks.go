package doctor

import (
	"strconv"
	"strings"
	"time"

	"lmqgate/infra/config"
)

// lmqRemedy is what an unprepared broker needs.
const lmqRemedy = "enableLmq=true and enableMultiDispatch=true in its broker.conf, and restart it"

// leastBroker is the first version of RocketMQ whose LMQs work.
var leastBroker = [3]int{5, 3, 2}

// What is demanded of a broker.
const (
	cleansAt    = 75 // per cent of the disk: diskMaxUsedSpaceRatio by default
	refusesAt   = 0.90
	indexBehind = 64 << 20
)

// brokerCheck asks one thing of what a broker said; the second result is false where the question does not arise.
type brokerCheck struct {
	name string
	ask  func(*broker, *config.Config) (Finding, bool)
}

// brokerChecks are asked of each master, in this order.
func brokerChecks() []brokerCheck {
	return []brokerCheck{
		{"broker.identity", askIdentity},
		{"broker.version", askBrokerVersion},
		{"broker.config", askConfig},
		{"broker.lmq", askLMQ},
		{"broker.index", askIndex},
		{"broker.queues", askQueues},
		{"broker.retention", askRetention},
		{"broker.permission", askPermission},
		{"broker.messages", askMessageSize},
		{"broker.polling", askPolling},
		{"broker.disk", askDisk},
		{"broker.behind", askBehind},
		{"broker.durability", askDurability},
	}
}

// askIdentity: an address that was given to another broker since, or that a proxy sends elsewhere.
func askIdentity(b *broker, _ *config.Config) (Finding, bool) {
	if other := b.conf["brokerName"]; other != "" && other != b.name {
		return failure("see brokerIP1 and listenPort in both brokers' broker.conf, and what is between", "at %s another broker answers, %s", b.addr, other), true
	}
	return Finding{}, false
}

func askBrokerVersion(b *broker, _ *config.Config) (Finding, bool) {
	v := b.runtime["brokerVersionDesc"]
	const remedy = "make sure that it is 5.3.2 or later"
	switch {
	case b.refused != nil:
		return warning(remedy, "does not tell its version: %v", b.refused), true
	case v == "":
		return warning(remedy, "does not tell its version"), true
	}
	text := "RocketMQ " + strings.ReplaceAll(strings.TrimPrefix(v, "V"), "_", ".")
	if !brokerAtLeast(v) {
		return failure("upgrade it to 5.3.2 or later", "%s is too old: light message queues lose messages there", text), true
	}
	return fine("%s", text), true
}

// brokerAtLeast reads `V5_3_2`, with or without more behind it.
func brokerAtLeast(v string) bool {
	parts := strings.FieldsFunc(strings.TrimPrefix(v, "V"), func(r rune) bool { return r == '_' || r == '-' || r == '.' })
	for i, want := range leastBroker {
		if i >= len(parts) {
			return false
		}
		have, err := strconv.Atoi(parts[i])
		if err != nil || have < want {
			return false
		}
		if have > want {
			return true
		}
	}
	return true
}

func askConfig(b *broker, _ *config.Config) (Finding, bool) {
	if b.conf != nil {
		return Finding{}, false
	}
	return warning("look at broker.conf yourself: "+lmqRemedy+", storeType=defaultRocksDB", "its settings may not be read with this login"), true
}

func askLMQ(b *broker, _ *config.Config) (Finding, bool) {
	if b.conf == nil {
		return Finding{}, false
	}
	var off []string
	for _, name := range []string{"enableLmq", "enableMultiDispatch"} {
		if b.conf[name] != "true" {
			off = append(off, name)
		}
	}
	if len(off) > 0 {
		return failure(lmqRemedy, "%s %s off: messages are acknowledged and no client gets them", strings.Join(off, " and "), plural(len(off), "is", "are")), true
	}
	return fine("writes light message queues (enableLmq, enableMultiDispatch)"), true
}

// askIndex: the index made of files holds a file open for each LMQ and forgets offsets.
func askIndex(b *broker, _ *config.Config) (Finding, bool) {
	kind := b.conf["storeType"]
	switch {
	case kind == "":
		return Finding{}, false
	case strings.Contains(kind, "RocksDB"):
		return fine("RocksDB index (storeType=%s)", kind), true
	}
	return warning("storeType=defaultRocksDB in broker.conf, on a broker with an empty store; until then ulimit -n of the broker above "+b.conf["maxLmqConsumeQueueNum"],
		"file index (storeType=%s): each light message queue is an open file, and one whose messages all expired begins at 0 again", kind), true
}

// askQueues: a broker refuses messages to new LMQs beyond its limit.
func askQueues(b *broker, cfg *config.Config) (Finding, bool) {
	most := b.number("maxLmqConsumeQueueNum")
	lower, given, named := "MAX_FILTERS="+strconv.FormatInt(most/2, 10), "MAX_FILTERS="+strconv.FormatInt(cfg.MaxFilters, 10), cfg.MaxFilters
	unlimited := cfg.MaxFilters == 0
	if cfg.P2P {
		lower += " and MAX_P2P_QUEUES=" + strconv.FormatInt(most/10*4, 10)
		given += ", MAX_P2P_QUEUES=" + strconv.FormatInt(cfg.MaxP2PQueues, 10)
		named += cfg.MaxP2PQueues
		unlimited = unlimited || cfg.MaxP2PQueues == 0
	}
	switch {
	case most == 0:
		return Finding{}, false
	case unlimited:
		return warning(lower, "takes %d light message queues, then refuses messages; %s lets clients name any number", most, given), true
	case named > most:
		return warning("maxLmqConsumeQueueNum="+strconv.FormatInt(2*named, 10)+" in broker.conf (with storeType=defaultRocksDB), or "+lower,
			"takes %d light message queues, then refuses messages; %s lets clients name more", most, given), true
	}
	return fine("takes %d light message queues (%s)", most, given), true
}

// askRetention: a session may wait longer for its client than its messages are kept.
func askRetention(b *broker, cfg *config.Config) (Finding, bool) {
	hours := b.number("fileReservedTime")
	if hours == 0 {
		return Finding{}, false
	}
	kept := time.Duration(hours) * time.Hour
	if cfg.SessionExpiryMax > kept {
		wanted := int64((cfg.SessionExpiryMax + time.Hour - 1) / time.Hour) // rounded up
		return warning("fileReservedTime="+strconv.FormatInt(wanted, 10)+" in broker.conf, or SESSION_EXPIRY_MAX="+strconv.FormatInt(hours, 10)+"h",
			"keeps messages for %d h (fileReservedTime), sessions wait up to %d h for their clients: what is older is lost for them", hours, wanted), true
	}
	return fine("keeps messages for %d h, as long as sessions (SESSION_EXPIRY_MAX)", hours), true
}

func askPermission(b *broker, _ *config.Config) (Finding, bool) {
	perm := b.conf["brokerPermission"]
	switch perm {
	case "", "6", "7":
		return Finding{}, false
	}
	return failure("mqadmin updateBrokerConfig -b "+b.addr+" -k brokerPermission -v 6", "may not be written and read (brokerPermission=%s)", perm), true
}

func askMessageSize(b *broker, cfg *config.Config) (Finding, bool) {
	most := b.number("maxMessageSize")
	if most == 0 || int64(cfg.MaxPacketSize) <= most {
		return Finding{}, false
	}
	return warning("maxMessageSize="+strconv.Itoa(cfg.MaxPacketSize)+" in broker.conf, or MAX_PACKET_SIZE="+strconv.FormatInt(most, 10),
		"refuses messages over %s, clients may send %s", size(most), size(int64(cfg.MaxPacketSize))), true
}

func askPolling(b *broker, _ *config.Config) (Finding, bool) {
	if b.conf["longPollingEnable"] != "false" {
		return Finding{}, false
	}
	return warning("longPollingEnable=true in broker.conf", "holds pulls only for a second (longPollingEnable=false): idle queues cost work"), true
}

// askDisk: a full disk makes a broker delete early, then refuse.
func askDisk(b *broker, _ *config.Config) (Finding, bool) {
	most := 0.0
	for name, value := range b.runtime {
		if strings.HasPrefix(name, "commitLogDiskRatio") || name == "consumeQueueDiskRatio" {
			if v, err := strconv.ParseFloat(value, 64); err == nil {
				most = max(most, v)
			}
		}
	}
	limit := b.number("diskMaxUsedSpaceRatio")
	if limit == 0 {
		limit = cleansAt
	}
	const remedy = "a bigger disk, or a shorter fileReservedTime"
	switch percent := most * 100; {
	case b.runtime == nil:
		return Finding{}, false
	case most >= refusesAt:
		return failure(remedy, "its disk is %.0f %% full: from 90 %% on it refuses messages", percent), true
	case percent >= float64(limit):
		return warning(remedy, "its disk is %.0f %% full: from %d %% on (diskMaxUsedSpaceRatio) it deletes messages before their time", percent, limit), true
	default:
		return fine("its disk is %.0f %% full", percent), true
	}
}

func askBehind(b *broker, _ *config.Config) (Finding, bool) {
	behind, err := strconv.ParseInt(b.runtime["dispatchBehindBytes"], 10, 64)
	if err != nil || behind < indexBehind {
		return Finding{}, false
	}
	return warning("look at its log for errors of the reput or dispatch service, and at its load", "its index is %s behind: messages arrive late", size(behind)), true
}

// askDurability says what an acknowledgement of this broker is worth.
func askDurability(b *broker, _ *config.Config) (Finding, bool) {
	flush, role := b.conf["flushDiskType"], b.conf["brokerRole"]
	if flush == "" {
		return Finding{}, false
	}
	copies := plural(b.slaves, "1 replica", strconv.Itoa(b.slaves)+" replicas")
	if b.slaves == 0 {
		copies = "no replica"
	}
	switch {
	case flush == "SYNC_FLUSH":
		return fine("writes to disk before it acknowledges (SYNC_FLUSH), %s", copies), true
	case role == "SYNC_MASTER" && b.slaves > 0:
		return fine("a replica has what it acknowledges (SYNC_MASTER), %s", copies), true
	}
	return fine("acknowledges before the disk has it (%s), %s: if the machine fails, the last half second may be lost", flush, copies), true
}
