// Command bench measures the gateway from outside, on a real Redis and a real RocketMQ, and prints the README's table.
//
// It takes LMQGATE_TEST_REDIS and LMQGATE_TEST_NAMESRV from e2e/parts/cmd/with-real, starts instances of the binary
// given by -bin, and is itself the load: clients are in this process, the gateway in its own. Rows that are compared
// with bare RocketMQ alternate with it, run by run, and medians of the runs are printed.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// bench is one run's surroundings.
type bench struct {
	bin      string
	redis    string
	namesrv  string
	runs     int
	seconds  time.Duration
	idle     int
	only     []string
	verbose  bool
	profiles string
	readme   string
	sequence int
}

func main() {
	b := &bench{redis: os.Getenv("LMQGATE_TEST_REDIS"), namesrv: os.Getenv("LMQGATE_TEST_NAMESRV")}
	flag.StringVar(&b.bin, "bin", "bin/lmqgate", "the gateway's binary")
	flag.IntVar(&b.runs, "runs", 5, "alternating runs of each row")
	flag.DurationVar(&b.seconds, "time", 10*time.Second, "length of one measurement")
	flag.IntVar(&b.idle, "idle", 3000, "idle clients")
	only := flag.String("only", "", "comma list of rows: start, latency, throughput, http, fanout, streams, idle, takeover, drain, flap, rotation, overload, redis")
	flag.BoolVar(&b.verbose, "v", false, "name the commands that Redis was sent")
	flag.StringVar(&b.profiles, "profile", "", "folder for profiles of the gateway in the rows throughput, fanout, streams and idle")
	flag.StringVar(&b.readme, "readme", "", "file whose table of what Redis is asked for is written anew by the row redis")
	flag.Parse()
	if *only != "" {
		b.only = strings.Split(*only, ",")
	}
	if b.redis == "" || b.namesrv == "" {
		fmt.Fprintln(os.Stderr, "bench: LMQGATE_TEST_REDIS and LMQGATE_TEST_NAMESRV are not set; run `make bench`")
		os.Exit(1)
	}
	if err := b.all(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) all() error {
	fmt.Printf("%s, %d runs a row, medians (min-max)\n\n| row | figure |\n|---|---|\n", machine(), b.runs)
	for _, row := range []struct {
		name string
		run  func() error
	}{
		{"start", b.start},
		{"latency", b.latency},
		{"throughput", b.throughput},
		{"http", b.http},
		{"fanout", b.fanout},
		{"streams", b.streams},
		{"idle", b.idleClients},
		{"takeover", b.takeover},
		{"drain", b.drain},
		{"flap", b.flap},
		{"rotation", b.rotation},
		{"overload", b.overload},
		{"redis", b.redisCost},
	} {
		if len(b.only) > 0 && !slices.Contains(b.only, row.name) {
			continue
		}
		if err := row.run(); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
	}
	return nil
}

// topic returns a topic prefix that no other run uses.
func (b *bench) topic() string {
	b.sequence++
	return fmt.Sprintf("bench/%x/%d", time.Now().UnixNano()&0xffffff, b.sequence)
}

// prefix returns a REDIS_PREFIX that no other run uses.
func (b *bench) prefix() string { return strings.ReplaceAll(b.topic(), "/", "-") + ":" }

func row(name, format string, args ...any) {
	fmt.Printf("| %s | %s |\n", name, fmt.Sprintf(format, args...))
}
