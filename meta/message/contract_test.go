package message_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lmqgate/meta/message"
	"lmqgate/meta/metatest"
	"lmqgate/meta/topic"
)

// TestContractRows: every row of the contract has tests, which exist, and all data belongs to a row.
func TestContractRows(t *testing.T) {
	c := metatest.LoadContract(t, "")
	tests := map[string]string{} // package -> its test files
	rows := map[string]bool{}
	for _, r := range c.Rows {
		if rows[r.Row] || len(r.Tests) == 0 {
			t.Errorf("row %s: twice, or without a test", r.Row)
		}
		rows[r.Row] = true
		for _, test := range r.Tests {
			pkg, name, _ := strings.Cut(test, " ")
			if _, ok := tests[pkg]; !ok {
				tests[pkg] = testFiles(t, pkg)
			}
			if !regexp.MustCompile(`(?m)^func ` + name + `\(t \*testing\.T\)`).MatchString(tests[pkg]) {
				t.Errorf("row %s: no test %s", r.Row, test)
			}
		}
	}
	var used []string
	for _, n := range c.Names {
		used = append(used, n.Row)
	}
	for _, w := range c.Written {
		used = append(used, w.Row)
	}
	for _, r := range c.Read {
		used = append(used, r.Row)
	}
	for _, row := range used {
		if !rows[row] {
			t.Errorf("no row %q", row)
		}
	}
}

func testFiles(t *testing.T, pkg string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(pkg), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	return all.String()
}

func TestContractNames(t *testing.T) {
	for _, n := range metatest.LoadContract(t, "").Names {
		if got := topic.LMQ(n.Name); got != n.LMQ {
			t.Errorf("%s %.40q: LMQ %q, want %q", n.Row, n.Name, got, n.LMQ)
		}
		if n.RocketMQ == "" {
			continue
		}
		if got := topic.RocketMQTopic(n.Name, "MQTT_OTHER", nil); got != n.RocketMQ {
			t.Errorf("%s %.40q: RocketMQ topic %q, want %q", n.Row, n.Name, got, n.RocketMQ)
		}
	}
}

func TestContractWritten(t *testing.T) {
	for _, w := range metatest.LoadContract(t, "").Written {
		r := message.Encode(w.MQTT.Message())
		if string(r.Body) != string(w.RocketMQ.Body) {
			t.Errorf("%s %.40s: body %x, want %x", w.Row, w.MQTT.Topic, r.Body, w.RocketMQ.Body)
		}
		if diff := cmp.Diff(w.RocketMQ.Properties, r.Properties); diff != "" {
			t.Errorf("%s %.40s: properties (-want +got)\n%s", w.Row, w.MQTT.Topic, diff)
		}
	}
}

func TestContractRead(t *testing.T) {
	for _, r := range metatest.LoadContract(t, "").Read {
		m, err := message.Decode(r.RocketMQ.Body, func(key string) string { return r.RocketMQ.Properties[key] })
		if r.MQTT == nil {
			if !errors.Is(err, message.ErrNotMQTT) {
				t.Errorf("%s %s: %+v, %v", r.Row, r.Note, m, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %s: %v", r.Row, r.Note, err)
			continue
		}
		if diff := cmp.Diff(r.MQTT.Message(), m, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s %s (-want +got)\n%s", r.Row, r.Note, diff)
		}
		for _, reader := range r.Readers {
			if !topic.Match(reader, m.Topic) || !strings.Contains(","+r.RocketMQ.Properties[message.PropDispatch]+",", ","+topic.LMQ(reader)+",") {
				t.Errorf("%s %s: %s cannot get it", r.Row, r.Note, reader)
			}
		}
	}
}
