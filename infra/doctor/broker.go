package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"lmqgate/adapter/rocketmq"
	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/config"
)

// errNoBroker is how the gateway's client says that the name servers know none.
var errNoBroker = errors.New("name server knows no broker")

// broker is what name servers say of a broker, and what it says of itself.
type broker struct {
	name, cluster string
	addr          string // of the master; "": only replicas are there
	slaves        int
	noWrites      bool // nothing is to be changed at it
	told          int  // name servers that know it

	conf    map[string]string // broker.conf and defaults; nil: refused
	runtime map[string]string // nil: refused
	refused error             // why there is no runtime
}

// examineBroker calls a broker at the address that the name servers tell, and judges its settings and state.
func examineBroker(ctx context.Context, dial remoting.DialConfig, cfg *config.Config, b *broker) (reached bool, found []Finding) {
	if b.addr == "" {
		return false, []Finding{failure("start its master", "only replicas of it are there: its queues cannot be written, and what is in them is not read").as("broker.reach", b.name)}
	}
	ctx, cancel := context.WithTimeout(ctx, rocketTime)
	defer cancel()
	began := time.Now()
	conn, err := remoting.Dial(ctx, b.addr, dial)
	if err != nil {
		return false, []Finding{unreachable(b, cfg.NameServers, err).as("broker.reach", b.name)}
	}
	defer hangUp(conn)
	took := time.Since(began)
	if f, ok := interviewBroker(ctx, conn, b); !ok {
		return false, []Finding{f.as("broker.reach", b.name)}
	}
	found = append(found, fine("connected to %s in %s", b.addr, short(took)).as("broker.reach", b.name))
	if f, arises := examineRights(ctx, conn, cfg, !b.noWrites); arises {
		found = append(found, f.as("broker.rights", b.name))
	}
	for _, check := range brokerChecks() {
		if f, arises := check.ask(b, cfg); arises {
			found = append(found, f.as(check.name, b.name))
		}
	}
	return true, found
}

// interviewBroker asks for state and settings. Being refused one of them is no failure: the rights for that are not needed
// otherwise.
func interviewBroker(ctx context.Context, conn caller, b *broker) (Finding, bool) {
	answer, err := requestState(ctx, conn)
	var no refusal
	switch {
	case errors.Is(err, rocketmq.ErrLogin):
		_, remedy := ExplainRocketMQ(err)
		return failure(remedy, "refuses the login: %v", err), false
	case errors.As(err, &no):
		b.refused = err
	case err != nil:
		_, remedy := ExplainRocketMQ(fmt.Errorf("broker %s: %w", b.name, err))
		return failure(remedy, "takes the connection at %s and does not answer: %v", b.addr, err), false
	default:
		var state struct {
			Table map[string]any `json:"table"`
		}
		if json.Unmarshal(answer.Body, &state) == nil {
			b.runtime = map[string]string{}
			for k, v := range state.Table {
				b.runtime[k] = fmt.Sprint(v)
			}
		}
	}
	if answer, err = request(ctx, conn, remoting.GetBrokerConfig, nil); err == nil {
		b.conf = properties(string(answer.Body))
	}
	return Finding{}, true
}

// requestState asks a broker how it is. One that has just started fails at that for a moment.
func requestState(ctx context.Context, conn caller) (*remoting.Command, error) {
	for tries := 1; ; tries++ {
		answer, err := request(ctx, conn, remoting.GetBrokerRuntimeInfo, nil)
		var no refusal
		if !errors.As(err, &no) || no.code != remoting.SystemError || errors.Is(err, rocketmq.ErrLogin) || tries == stateTries {
			return answer, err
		}
		select {
		case <-time.After(statePause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// How often and how fast requestState tries.
const (
	stateTries = 5
	statePause = 300 * time.Millisecond
)

// properties reads `name=value` lines.
func properties(text string) map[string]string {
	table := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			table[name] = value
		}
	}
	return table
}

// unreachable says why the address that a broker has told cannot be connected to.
func unreachable(b *broker, nameServers []string, err error) Finding {
	_, remedy := ExplainRocketMQ(fmt.Errorf("broker %s: %w", b.name, err))
	if host, _, split := net.SplitHostPort(b.addr); split == nil && isLocal(host) && !anyLocal(nameServers) {
		remedy = "it tells clients that it is at " + host + ", which is this machine: set brokerIP1 in its broker.conf to an address that others can reach"
	}
	return failure(remedy, "the address that it tells, %s, cannot be reached from here: %v", b.addr, err)
}

func anyLocal(addrs []string) bool {
	for _, a := range addrs {
		if host, _, err := net.SplitHostPort(a); err == nil && isLocal(host) {
			return true
		}
	}
	return false
}

// dispatches tells whether the broker writes LMQs; true if it does not say.
func (b *broker) dispatches() bool {
	return b.conf["enableLmq"] != "false" && b.conf["enableMultiDispatch"] != "false"
}

// number reads a setting; 0 if it is not there.
func (b *broker) number(name string) int64 {
	n, _ := strconv.ParseInt(b.conf[name], 10, 64)
	return n
}
