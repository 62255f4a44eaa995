package overload

import (
	"bytes"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// scene is a watch of a limit of 1,000 bytes over a usage that the test sets.
type scene struct {
	*Watch
	usage     Usage
	shed      []uint64
	collected int
	log       bytes.Buffer
}

func newScene() *scene {
	s := &scene{}
	s.Watch = New(Config{
		Limit: 1000, Usage: func() Usage { return s.usage },
		Shed:    func(n uint64) int { s.shed = append(s.shed, n); return 2 },
		Collect: func() { s.collected++ },
		Logger:  slog.New(slog.NewTextHandler(&s.log, nil)), Registerer: prometheus.NewRegistry(),
	})
	return s
}

// looks takes n samples of the given usage, each after another collection.
func (s *scene) looks(n int, used uint64) {
	for range n {
		s.usage = Usage{used, s.usage.Cycles + 1}
		s.look()
	}
}

func TestStages(t *testing.T) {
	s := newScene()
	for _, step := range []struct {
		looks int
		used  uint64
		want  Stage
	}{
		{1, 699, Normal},
		{1, 700, Refuse},
		{10, 660, Refuse}, // not far enough below
		{3, 640, Refuse},
		{1, 655, Refuse}, // counts from the beginning again
		{3, 640, Refuse},
		{1, 640, Normal},
		{1, 999, Shed},
		{3, 100, Shed},
		{1, 100, Slow},
		{4, 100, Refuse},
		{4, 100, Normal},
		{1, 810, Slow},
		{4, 720, Refuse},
		{20, 720, Refuse},
	} {
		if s.looks(step.looks, step.used); s.Stage() != step.want {
			t.Fatalf("after %d looks at %d: %v, want %v", step.looks, step.used, s.Stage(), step.want)
		}
	}
	if n := testutil.ToFloat64(s.changes.WithLabelValues("shed")); n != 1 {
		t.Errorf("shed entered %v times", n)
	}
	if n := strings.Count(s.log.String(), "stage="); n != 8 {
		t.Errorf("%d lines for 8 changes:\n%s", n, &s.log)
	}
}

func TestSheds(t *testing.T) {
	s := newScene()
	s.looks(1, 950)
	if len(s.shed) != 1 || s.shed[0] != 100 { // down to 85 %
		t.Fatalf("shed %v", s.shed)
	}
	if s.looks(3, 950); len(s.shed) != 1 {
		t.Errorf("shed again before it could show: %v", s.shed)
	}
	if s.looks(1, 950); len(s.shed) != 2 {
		t.Errorf("not shed again: %v", s.shed)
	}
	if n := testutil.ToFloat64(s.Watch.shed); n != 4 {
		t.Errorf("%v clients counted", n)
	}
}

func TestStaleUsageIsCollected(t *testing.T) {
	s := newScene()
	for range 100 {
		s.look()
	}
	if s.collected != 0 {
		t.Fatalf("collected %d times without need", s.collected)
	}
	s.looks(1, 750)
	for range 8 {
		s.look()
	}
	if s.collected != 2 {
		t.Errorf("collected %d times in two seconds", s.collected)
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene()
		s.usage = Usage{Bytes: 800}
		done := make(chan struct{})
		go func() { s.Run(t.Context()); close(done) }()
		time.Sleep(2 * every)
		if s.Stage() != Slow {
			t.Errorf("stage %v", s.Stage())
		}
	})
	New(Config{}).Run(t.Context()) // returns at once
}

// The sample follows what is alive, not what is garbage.
func TestUsageOfThisProcess(t *testing.T) {
	const size = 64 << 20
	s := newSampler()
	runtime.GC()
	before := s.usage()
	big := make([]byte, size)
	for i := 0; i < len(big); i += 4096 {
		big[i] = 1
	}
	runtime.GC()
	held := s.usage()
	if grown := int64(held.Bytes) - int64(before.Bytes); grown < size || grown > size+16<<20 {
		t.Errorf("%d bytes more alive are seen as %d", size, grown)
	}
	if held.Cycles == before.Cycles {
		t.Error("collections are not counted")
	}
	runtime.KeepAlive(big)
	runtime.GC()
	if after := s.usage(); int64(after.Bytes)-int64(before.Bytes) > 16<<20 {
		t.Errorf("usage was %d, then %d, and is %d when all is garbage", before.Bytes, held.Bytes, after.Bytes)
	}
}
