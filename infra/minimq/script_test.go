package minimq_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/adapter/rocketmq/remoting"
	"lmqgate/infra/minimq"
)

// The scripts send requests and note the answers, normalised. What a real 5.4.0
// broker answered is kept in testdata/*.golden; minimq has to answer the same,
// always, and so has the broker behind LMQGATE_TEST_NAMESRV, if it is set.
// With -record the golden files are written from that broker.
var record = flag.Bool("record", false, "write testdata/*.golden from the broker behind LMQGATE_TEST_NAMESRV")

const namesrvEnv = "LMQGATE_TEST_NAMESRV"

func TestScriptsMinimq(t *testing.T) {
	for _, s := range scripts() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			srv := minimq.RunWith(t, minimq.Config{HoldCheck: 50 * time.Millisecond, ReviveDelay: 50 * time.Millisecond})
			compare(t, s, play(t, s, srv.Addr()))
		})
	}
}

func TestScriptsRocketMQ(t *testing.T) {
	addr := os.Getenv(namesrvEnv)
	if addr == "" {
		t.Skipf("%s is not set: needs the host:port of the name server of a RocketMQ 5.4.0 (enableLmq, enableMultiDispatch, storeType=defaultRocksDB)", namesrvEnv)
	}
	for _, s := range scripts() {
		t.Run(s.name, func(t *testing.T) {
			got := play(t, s, addr)
			if *record {
				if err := os.WriteFile(golden(s), []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			compare(t, s, got)
		})
	}
}

func golden(s script) string { return filepath.Join("testdata", s.name+".golden") }

func compare(t *testing.T, s script, got string) {
	t.Helper()
	want, err := os.ReadFile(golden(s))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("answers differ from those of RocketMQ 5.4.0 (-want +got):\n%s", diff)
	}
}

// script is one conversation with a cluster of one broker.
type script struct {
	name string
	play func(*player)
}

// player runs a script.
type player struct {
	t      *testing.T
	ns     *client
	broker *client
	addr   string // of the broker
	name   string // of the broker
	id     string // makes names of this run unique; stands as $ in the answers
	out    strings.Builder
}

func play(t *testing.T, s script, addr string) string {
	t.Helper()
	p := &player{t: t, ns: dial(t, addr), id: fmt.Sprintf("r%012x", rand.Uint64()>>16)}
	info, err := remoting.DecodeClusterInfo(p.ns.call(remoting.GetBrokerClusterInfo, nil, nil).Body)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range info.Brokers {
		p.name, p.addr = name, b.Addrs[remoting.MasterID]
	}
	if p.addr == "" {
		t.Fatalf("no broker at %s", addr)
	}
	p.broker = dial(t, p.addr)
	s.play(p)
	return p.out.String()
}

// ask sends a request to the broker and notes the answer.
func (p *player) ask(label string, req *remoting.Command) *remoting.Command {
	p.t.Helper()
	resp := p.broker.wait(p.broker.start(req))
	p.note(label, req.Code, resp)
	return resp
}

// askNames sends a request to the name server and notes the answer.
func (p *player) askNames(label string, req *remoting.Command) *remoting.Command {
	p.t.Helper()
	resp := p.ns.wait(p.ns.start(req))
	p.note(label, req.Code, resp)
	return resp
}

// request makes a request of fields; $ in a value stands for the run's id.
func (p *player) request(code int32, fields ...string) *remoting.Command {
	ext := map[string]string{}
	for i := 0; i+1 < len(fields); i += 2 {
		ext[fields[i]] = p.expand(fields[i+1])
	}
	return remoting.NewRequest(code, ext, nil)
}

func (p *player) expand(s string) string { return strings.ReplaceAll(s, "$", p.id) }

// settle waits until the queue's maximum offset is n: the index lags.
func (p *player) settle(topic string, queue int, n int64) {
	p.t.Helper()
	req := map[string]string{"topic": p.expand(topic), "queueId": strconv.Itoa(queue)}
	for range 100_000 {
		resp := p.broker.call(remoting.GetMaxOffset, maps.Clone(req), nil)
		if got, _ := strconv.ParseInt(resp.Ext["offset"], 10, 64); got == n {
			return
		}
	}
	p.t.Fatalf("maximum offset of %s did not become %d", topic, n)
}

func (p *player) note(label string, code int32, resp *remoting.Command) {
	fmt.Fprintf(&p.out, "%s -> %d", label, resp.Code)
	if resp.Remark != "" {
		fmt.Fprintf(&p.out, " %q", p.normal(resp.Remark))
	}
	for _, k := range slices.Sorted(maps.Keys(resp.Ext)) {
		fmt.Fprintf(&p.out, " %s=%s", k, p.field(k, resp.Ext[k]))
	}
	p.out.WriteByte('\n')
	p.noteBody(code, resp)
}

var (
	longNumber = regexp.MustCompile(`\b1[5-9]\d{11}\b`)
	address    = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+:\d+`)
	exception  = regexp.MustCompile(`(?s)\b(java|org\.apache)\.\S*Exception\b.*`)
)

// normal hides what differs from run to run.
func (p *player) normal(s string) string {
	s = strings.ReplaceAll(s, p.id, "$")
	s = strings.ReplaceAll(s, p.addr, "<broker>")
	s = strings.ReplaceAll(s, p.name, "<name>")
	s = address.ReplaceAllString(s, "<address>")
	s = exception.ReplaceAllString(s, "<exception>")
	return longNumber.ReplaceAllString(s, "<ms>")
}

func (p *player) field(k, v string) string {
	switch k {
	case "msgId", "transactionId":
		if v != "" && !strings.HasPrefix(v, "K") {
			return "<id>"
		}
	case "reviveQid":
		return "<n>"
	case "indexLastUpdatePhyoffset", "commitLogOffset":
		if v != "0" {
			return "<offset>"
		}
	}
	return p.normal(v)
}

func (p *player) noteBody(code int32, resp *remoting.Command) {
	if len(resp.Body) == 0 {
		return
	}
	switch code {
	case remoting.PullMessage, remoting.PopMessage, remoting.QueryMessage, 33:
		p.noteMessages(resp.Body)
		return
	}
	if code == remoting.GetBrokerClusterInfo {
		info, err := remoting.DecodeClusterInfo(resp.Body)
		fmt.Fprintf(&p.out, "   %s\n", p.normal(fmt.Sprintf("%+v %v", info, err)))
		return
	}
	var v any
	err := json.Unmarshal(resp.Body, &v)
	if m, ok := v.(map[string]any); ok {
		if ids, ok := m["consumerIdList"].([]any); ok { // RocketMQ keeps them in no order
			slices.SortFunc(ids, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		}
	}
	if err != nil {
		fmt.Fprintf(&p.out, "   body of %d bytes\n", len(resp.Body))
		return
	}
	dropFields(v)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	fmt.Fprintf(&p.out, "   %s", p.normal(b.String()))
}

func (p *player) noteMessages(body []byte) {
	list, err := remoting.DecodeMessages(body)
	if err != nil {
		fmt.Fprintf(&p.out, "   %v\n", err)
	}
	for _, m := range list {
		fmt.Fprintf(&p.out, "   %s q%d@%d flag=%d sys=%d reconsume=%d %q", p.normal(m.Topic), m.QueueID, m.QueueOffset, m.Flag, m.SysFlag, m.Reconsume, cut(m.Body))
		props := m.Properties.Map()
		for _, k := range slices.Sorted(maps.Keys(props)) {
			v := props[k]
			switch k {
			case "UNIQ_KEY", "ORIGIN_MESSAGE_ID":
				if !strings.HasPrefix(v, "K") {
					v = "<id>"
				}
			case "POP_CK":
				f := strings.Split(v, " ")
				if len(f) > 3 {
					f[3] = "<n>"
				}
				v = strings.Join(f, " ")
			}
			fmt.Fprintf(&p.out, " %s=%s", k, cut([]byte(p.normal(v))))
		}
		p.out.WriteByte('\n')
	}
}

func cut(b []byte) string {
	if len(b) > 300 {
		return fmt.Sprintf("%s...(%d)", b[:20], len(b))
	}
	return string(b)
}

// dropFields leaves out what no client of RocketMQ 4 or of ours reads.
func dropFields(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "enableActingMaster")
		delete(v, "groupRetryPolicy")
		for _, e := range v {
			dropFields(e)
		}
	case []any:
		for _, e := range v {
			dropFields(e)
		}
	}
}
