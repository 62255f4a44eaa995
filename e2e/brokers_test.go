package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"lmqgate/e2e/parts"
)

// brokerRows are the kinds of RocketMQ that are tried. The servers that all other tests share are RocketMQ 5.4.0 with a RocksDB
// index and one broker; the one row beside them differs in everything. LMQGATE_TEST_MATRIX=1 asks for all combinations.
func brokerRows() []parts.RocketMQOptions {
	if !isMatrix() {
		return []parts.RocketMQOptions{{Version: parts.RocketMQFloor, FileIndex: true, Brokers: 2, Heap: "512m"}}
	}
	var all []parts.RocketMQOptions
	for _, version := range []string{parts.RocketMQVersion, parts.RocketMQFloor} {
		for _, fileIndex := range []bool{false, true} {
			for _, brokers := range []int{1, 2} {
				all = append(all, parts.RocketMQOptions{Version: version, FileIndex: fileIndex, Brokers: brokers, Heap: "512m"})
			}
		}
	}
	return all
}

// core are the tests that each kind of RocketMQ has to pass in the matrix, beside the contract. None is parallel: they find
// their servers in the environment.
func core() map[string]func(*testing.T) {
	return map[string]func(*testing.T){
		"RocketMQConsumer": TestRocketMQConsumer,
		"RocketMQProducer": TestRocketMQProducer,
		"Kill":             TestKill,
		"Overlap":          TestOverlap,
		"SubackPromise":    TestSubackPromise,
		"SharedFairness":   TestSharedFairness,
	}
}

// TestBrokers: the contract, with applications in Go and in Java, on the kinds of RocketMQ that are tried.
func TestBrokers(t *testing.T) {
	needs(t, "LMQGATE_TEST_NAMESRV")
	var table strings.Builder
	for _, o := range brokerRows() {
		began := time.Now()
		word := "ok"
		if !t.Run(strings.NewReplacer(", ", "-", " ", "-").Replace(o.String()), func(t *testing.T) {
			defer func() {
				if t.Skipped() {
					word = "skipped"
				}
			}()
			onBrokers(t, o)
		}) {
			word = "FAILED"
		}
		fmt.Fprintf(&table, "%-32s %-7s %4.0f s\n", o, word, time.Since(began).Seconds())
	}
	if isMatrix() {
		fmt.Fprintf(os.Stderr, "\nRocketMQ: contract (Go, Java) and %d core tests\n%s", len(core()), &table)
	}
}

func onBrokers(t *testing.T, o parts.RocketMQOptions) {
	s := parts.RocketMQ(t, o)
	t.Setenv("LMQGATE_TEST_NAMESRV", s.Addr)
	t.Setenv("LMQGATE_TEST_BACKENDS", string(real))
	f := start(t, max(1, o.Brokers), real)
	t.Run("Contract", func(t *testing.T) {
		f.written(t, f.in(t).goApplications())
		f.read(t, f.in(t).goApplications())
	})
	// Another fleet: its topics are others.
	f = start(t, 1, real)
	t.Run("Java", func(t *testing.T) {
		f.written(t, f.in(t).javaApplications(o.Version))
		f.read(t, f.in(t).javaApplications(o.Version))
	})
	if !isMatrix() {
		return
	}
	for name, test := range core() {
		t.Run(name, test)
	}
}
