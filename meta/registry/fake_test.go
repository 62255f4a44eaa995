package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"lmqgate/meta/topic"
)

// fakeStore is a Store in memory that keeps the change log as the interface describes it, with delays and faults.
type fakeStore struct {
	delay func() time.Duration // of one direction; nil = none

	mu      sync.Mutex
	holders map[string]map[string]bool // filter -> client ids
	log     []logged                   // log[i] has version first+i
	first   uint64
	tokens  int
	fail    error                           // of Check
	failing int                             // Snapshots that fail
	hang    func(ctx context.Context) error // instead of Check
	asked   [][]string                      // exact filters of each Check
	began   []time.Time                     // of each Check
	running int                             // Checks
}

type logged struct {
	Entry
	token string
}

var _ Store = (*fakeStore)(nil)

func newFakeStore(held ...string) *fakeStore {
	s := &fakeStore{holders: map[string]map[string]bool{}, first: 1}
	for _, f := range held {
		s.hold(f, "c")
	}
	return s
}

func (s *fakeStore) wait() {
	if s.delay != nil {
		time.Sleep(s.delay()) // the fake clock of synctest
	}
}

func (s *fakeStore) hold(filter, client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holders[filter] == nil {
		s.holders[filter] = map[string]bool{}
		s.change(filter, true)
	}
	s.holders[filter][client] = true
}

func (s *fakeStore) release(filter, client string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if delete(s.holders[filter], client); s.holders[filter] != nil && len(s.holders[filter]) == 0 {
		delete(s.holders, filter)
		s.change(filter, false)
	}
}

func (s *fakeStore) change(filter string, added bool) {
	if topic.IsWildcard(filter) {
		s.tokens++
		s.log = append(s.log, logged{Entry{filter, added}, strconv.Itoa(s.tokens)})
	}
}

// trim forgets the log but for its last n entries.
func (s *fakeStore) trim(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cut := len(s.log) - n
	s.log, s.first = slices.Clone(s.log[cut:]), s.first+uint64(cut)
}

// backup returns a function that rolls the store back to now. Tokens given out later never come again.
func (s *fakeStore) backup() (restore func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	holders := map[string]map[string]bool{}
	for f, h := range s.holders {
		holders[f] = maps.Clone(h)
	}
	log, first := slices.Clone(s.log), s.first
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.holders, s.log, s.first = holders, log, first
	}
}

func (s *fakeStore) position() Position {
	p := Position{Version: s.first + uint64(len(s.log)) - 1}
	if len(s.log) > 0 {
		p.Token = s.log[len(s.log)-1].token
	}
	return p
}

func (s *fakeStore) Hold(_ context.Context, holds []Hold) error {
	s.wait()
	for _, h := range holds {
		s.hold(h.Filter, h.ClientID)
	}
	s.wait()
	return nil
}

func (s *fakeStore) Release(_ context.Context, holds []Hold) error {
	s.wait()
	for _, h := range holds {
		s.release(h.Filter, h.ClientID)
	}
	s.wait()
	return nil
}

func (s *fakeStore) Check(ctx context.Context, pos Position, exact []string) (Update, []bool, error) {
	s.mu.Lock()
	s.asked = append(s.asked, exact)
	s.began = append(s.began, time.Now())
	s.running++
	overlap, hang := s.running > 1, s.hang
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running--
	}()
	if overlap {
		return Update{}, nil, fmt.Errorf("a second check while one is running")
	}
	if hang != nil {
		return Update{}, nil, hang(ctx)
	}
	s.wait()
	u, held, err := s.read(pos, exact)
	s.wait()
	return u, held, err
}

func (s *fakeStore) read(pos Position, exact []string) (Update, []bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return Update{}, nil, s.fail
	}
	held := make([]bool, len(exact))
	for i, f := range exact {
		held[i] = len(s.holders[f]) > 0
	}
	now := s.position()
	switch {
	case pos.Version > now.Version, pos.Version == now.Version && pos.Token != now.Token && len(s.log) > 0:
		return Update{To: now, RolledBack: true}, held, nil
	case pos.Version+1 < s.first:
		return Update{To: now, Reload: true}, held, nil
	case pos.Version >= s.first && s.log[pos.Version-s.first].token != pos.Token:
		return Update{To: now, RolledBack: true}, held, nil
	}
	var entries []Entry
	for _, l := range s.log[pos.Version+1-s.first:] {
		entries = append(entries, l.Entry)
	}
	return Update{To: now, Entries: entries}, held, nil
}

func (s *fakeStore) Snapshot(context.Context) (Position, []string, error) {
	s.wait()
	defer s.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing > 0 {
		s.failing--
		return Position{}, nil, fmt.Errorf("snapshot failed")
	}
	var filters []string
	for f := range s.holders {
		if topic.IsWildcard(f) {
			filters = append(filters, f)
		}
	}
	return s.position(), filters, nil
}

func (s *fakeStore) Holders(context.Context, string, uint64, int) ([]Hold, uint64, error) {
	return nil, 0, nil
}

func (s *fakeStore) Filters(context.Context, string, int) ([]string, string, error) {
	return nil, "", nil
}

// checks returns how many checks have begun, and forgets them.
func (s *fakeStore) checks() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.began)
	s.began, s.asked = nil, nil
	return n
}

func (s *fakeStore) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// start runs a matcher until the end of the test. Without publishes it checks only every hour unless told otherwise.
func start(t *testing.T, s Store, cfg Config) *Matcher {
	t.Helper()
	if cfg.Refresh == 0 {
		cfg.Refresh = time.Hour
	}
	m := NewMatcher(s, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return m
}

// match waits for the filters that match, sorted.
func match(t *testing.T, m *Matcher, name string) []string {
	t.Helper()
	got, err := m.MatchWait(t.Context(), name)
	if err != nil {
		t.Fatalf("match %q: %v", name, err)
	}
	return slices.Sorted(slices.Values(got))
}

func wantMatch(t *testing.T, m *Matcher, name string, want ...string) {
	t.Helper()
	if got := match(t, m, name); !slices.Equal(got, want) {
		t.Fatalf("match %q: %q, want %q", name, got, want)
	}
}
