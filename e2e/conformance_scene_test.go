package e2e

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

// keepAliveMax is what the instances of a site grant; clients without a keep alive are not concerned.
const keepAliveMax = 5

// site is where the clauses of one row are shown: instances, and what stands before them.
type site struct {
	*fleet
	row    row
	locked func() *fleet // the same with AUTH=hmac,scram, started when first asked for

	mu     sync.Mutex // protects scenes
	scenes int
}

func openSite(t *testing.T, r row) *site {
	t.Helper()
	env := fmt.Sprintf("KEEPALIVE_MAX=%ds", keepAliveMax)
	at := &site{fleet: start(t, r.instances, r.backend, env, "STATUS_USERS=*"), row: r}
	at.locked = sync.OnceValue(func() *fleet {
		return start(t, r.instances, r.backend, env, "AUTH=hmac,scram", "AUTH_USERNAME=user", "AUTH_SECRET_KEY=secret")
	})
	return at
}

// addrs are the addresses of a fleet's instances over the row's transport, host:port.
func (at *site) addrs(f *fleet, transport string) []string {
	list := make([]string, len(f.instances))
	for n, i := range f.instances {
		list[n] = i.tcp
		if transport == "ws" {
			list[n] = i.http
		}
	}
	return list
}

// scene is one clause being shown. Its clients and topics have names that no other scene uses.
type scene struct {
	*testing.T
	at    *site
	v     packet.Version
	tag   string
	peers int
	pub   *peer // made by publisher
}

func newScene(t *testing.T, at *site, v packet.Version) *scene {
	at.mu.Lock()
	defer at.mu.Unlock()
	at.scenes++
	return &scene{T: t, at: at, v: v, tag: fmt.Sprintf("s%d%s", at.scenes, strings.ToLower(rand.Text()[:4]))}
}

// is5 says whether the scene is about MQTT 5.0.
func (s *scene) is5() bool { return s.v == packet.V5 }

// topic makes a topic, or filter, of this scene.
func (s *scene) topic(rest string) string { return s.at.first + "/" + s.tag + "/" + rest }

// aside makes a topic that no filter of topic matches.
func (s *scene) aside(rest string) string { return s.at.first + "/" + s.tag + "-" + rest }

// address is where a client of this scene connects: the instance, or a proxy that sends each of its connections to another
// instance than the one before. Clients begin at different instances.
func (s *scene) address(f *fleet, transport string) string {
	addrs := s.at.addrs(f, transport)
	addr := addrs[0]
	if len(addrs) > 1 {
		addr = takingTurns(s.T, s.peers, addrs)
	}
	s.peers++
	if transport == "ws" {
		return "ws://" + addr + "/mqtt"
	}
	return addr
}

// publisher is a client that only publishes, for fences and for what others are to receive. It speaks 5.0.
func (s *scene) publisher() *peer {
	if s.pub == nil {
		s.pub = s.peerOf("publisher", packet.V5)
		s.pub.join()
	}
	return s.pub
}

// each runs a part of the scene for every value, as subtests side by side.
func each[T any](s *scene, values map[string]T, show func(s *scene, v T)) {
	var work sync.WaitGroup
	for _, name := range sortedKeys(values) {
		work.Go(func() {
			s.Run(name, func(t *testing.T) { show(newScene(t, s.at, s.v), values[name]) })
		})
	}
	work.Wait()
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// pass lets time pass where a clause is about time.
func (s *scene) pass(seconds uint32) { <-time.After(time.Duration(seconds) * time.Second) }
