// Package minimq is a RocketMQ in this process: a name server and brokers that
// speak the remoting protocol on loopback TCP and keep everything in memory. It
// is used when nothing else is configured, and in tests, as miniredis is for
// Redis. It follows RocketMQ 5.4.0 where a client can tell; README.md says what
// it leaves out.
package minimq

import (
	"errors"
	"fmt"
)

// Server is one name server and its brokers.
type Server struct {
	cfg     Config
	names   *nameServer
	access  *accessTable
	brokers []*Broker
}

// New returns a server that does not run yet.
func New(cfg Config) *Server {
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, names: newNameServer(cfg), access: &accessTable{}}
	s.SetUsers(cfg.Users...)
	for i := range cfg.Brokers {
		s.brokers = append(s.brokers, newBroker(cfg, i, s.names, s.access))
	}
	return s
}

// Start listens and serves until Close. A server can be started again after
// Close: it keeps its addresses, messages, topics and offsets.
func (s *Server) Start() error {
	if err := s.names.start(); err != nil {
		return fmt.Errorf("start name server: %w", err)
	}
	for _, b := range s.brokers {
		if err := b.start(); err != nil {
			return errors.Join(fmt.Errorf("start %s: %w", b.name, err), s.Close())
		}
	}
	return nil
}

// Close ends all connections and goroutines.
func (s *Server) Close() error {
	for _, b := range s.brokers {
		b.stop()
	}
	s.names.stop()
	return nil
}

// Addr is the name server's host:port.
func (s *Server) Addr() string { return s.names.ep.addr() }

// Brokers lists the brokers, broker-a first.
func (s *Server) Brokers() []*Broker { return s.brokers }

// Faults are those of the first broker; others have their own.
func (s *Server) Faults() *Faults { return s.brokers[0].Faults() }

// TB is the part of testing.TB that Run needs.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	Cleanup(func())
}

// Run starts a server with the default Config and closes it with the test.
func Run(t TB) *Server {
	t.Helper()
	return RunWith(t, Config{})
}

// RunWith starts a server and closes it with the test.
func RunWith(t TB, cfg Config) *Server {
	t.Helper()
	s := New(cfg)
	if err := s.Start(); err != nil {
		t.Fatalf("minimq: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
