package kvcompat_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"lmqgate/adapter/kvcompat"
)

type source struct {
	mu    sync.Mutex // protects the fields below
	table map[string]string
	err   error
}

func (s *source) KVTable(_ context.Context, namespace string) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if namespace != "LMQ" {
		return nil, errors.New("wrong namespace")
	}
	return s.table, s.err
}

func (s *source) set(table map[string]string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table, s.err = table, err
}

func TestLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{err: errors.New("away")}
		reg := prometheus.NewRegistry()
		l := kvcompat.New(src, kvcompat.Config{Registerer: reg})
		ctx, cancel := context.WithCancel(t.Context())
		var g sync.WaitGroup
		g.Go(func() { l.Run(ctx) })
		defer g.Wait()
		defer cancel()
		want := func(lmqs string) {
			t.Helper()
			got, err := l.Queues("t/x")
			if err != nil || strings.Join(got, ",") != lmqs {
				t.Errorf("%v, %v, want %s", got, err, lmqs)
			}
		}
		synctest.Wait()
		if _, err := l.Queues("t/x"); !errors.Is(err, kvcompat.ErrNotRead) {
			t.Errorf("before the first reading: %v", err)
		}
		src.set(map[string]string{"ALL_FIRST_TOPICS": "t", "t": "t/#,bad#"}, nil)
		time.Sleep(time.Second)
		want("%LMQ%t%x%,%LMQ%t%#%")
		src.set(nil, errors.New("away again"))
		time.Sleep(time.Minute)
		want("%LMQ%t%x%,%LMQ%t%#%")
		src.set(map[string]string{"ALL_FIRST_TOPICS": "t", "t": "t/+"}, nil)
		time.Sleep(6 * time.Second)
		want("%LMQ%t%x%,%LMQ%t%+%")
		if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP lmqgate_kv_compat_wildcards Wildcard filters listed in the name servers that messages are dispatched to for Java gateways.
# TYPE lmqgate_kv_compat_wildcards gauge
lmqgate_kv_compat_wildcards 1
# HELP lmqgate_kv_compat_skipped Entries of the lists in the name servers that were left out, see the log.
# TYPE lmqgate_kv_compat_skipped gauge
lmqgate_kv_compat_skipped 0
`), "lmqgate_kv_compat_wildcards", "lmqgate_kv_compat_skipped"); err != nil {
			t.Error(err)
		}
	})
}
