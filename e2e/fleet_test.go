package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"lmqgate/infra/minimq"
)

// backend is what instances keep their state in.
type backend string

const (
	embedded backend = "embedded"
	mini     backend = "mini"
	real     backend = "real"
)

// onEach runs a test on the backends that several instances can share, or on those that LMQGATE_TEST_BACKENDS names.
func onEach(t *testing.T, test func(t *testing.T, b backend)) {
	chosen := os.Getenv("LMQGATE_TEST_BACKENDS")
	for _, b := range []backend{mini, real} {
		if chosen != "" && !strings.Contains(chosen, string(b)) {
			continue
		}
		t.Run(string(b), func(t *testing.T) { test(t, b) })
	}
}

// fleet is a number of instances that share a backend.
type fleet struct {
	t         *testing.T
	backend   backend
	env       []string
	binary    func() (string, error)
	instances []*instance

	redis     string // REDIS_URL without the scheme, "" when embedded
	namesrv   string
	first     string               // a first topic that no other test uses
	miniredis *miniredis.Miniredis // mini only
	minimq    *minimq.Server       // mini only
}

// start starts n instances and waits until all are ready.
func start(t *testing.T, n int, b backend, env ...string) *fleet {
	t.Helper()
	f := prepare(t, b, env...)
	for range n {
		f.add()
	}
	for _, i := range f.instances {
		i.ready()
	}
	return f
}

// prepare makes the backend without instances.
func prepare(t *testing.T, b backend, env ...string) *fleet {
	t.Helper()
	return prepareOn(t, b, minimq.Config{ReorderSends: true}, env...)
}

// prepareOn is prepare with a RocketMQ of one's own making for mini.
func prepareOn(t *testing.T, b backend, mq minimq.Config, env ...string) *fleet {
	t.Helper()
	token := strings.ToLower(rand.Text()[:8])
	f := &fleet{t: t, backend: b, binary: binaries.race, first: "e2e-" + token}
	switch b {
	case mini:
		f.miniredis = miniredis.RunT(t)
		f.minimq = minimq.RunWith(t, mq)
		f.redis, f.namesrv = f.miniredis.Addr(), f.minimq.Addr()
	case real:
		f.redis = strings.TrimPrefix(needs(t, "LMQGATE_TEST_REDIS"), "redis://")
		f.namesrv = needs(t, "LMQGATE_TEST_NAMESRV")
	}
	if b != embedded {
		f.env = []string{"REDIS_URL=redis://" + f.redis, "NAMESRV_ADDR=" + f.namesrv, "AUTH=anonymous", "REDIS_PREFIX=" + token + ":"}
	}
	f.env = append(f.env, env...)
	return f
}

// needs returns a variable that names a real server, or skips the test.
func needs(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Skipf("%s is not set; go run ./e2e/parts/cmd/with-real go test ./e2e/ starts real servers", name)
	}
	return v
}

// add starts one more instance, with more environment.
func (f *fleet) add(env ...string) *instance {
	f.t.Helper()
	binary, err := f.binary()
	if err != nil {
		f.t.Fatal(err)
	}
	name := fmt.Sprintf("instance %d", len(f.instances)+1)
	i := launch(f.t, name, binary, append(append([]string(nil), f.env...), env...))
	f.instances = append(f.instances, i)
	return i
}

// topic makes a topic of several levels below this test's first topic.
func (f *fleet) topic(format string, args ...any) string {
	return f.first + "/" + fmt.Sprintf(format, args...)
}
