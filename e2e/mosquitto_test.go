package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"lmqgate/e2e/parts"
)

// TestMosquitto runs mosquitto_pub and mosquitto_sub with each version of the protocol, on two instances.
func TestMosquitto(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		for _, version := range []string{"mqttv31", "mqttv311", "mqttv5"} {
			m := mosquitto{t, f, version}
			m.retained(f.topic("%s/kept", version))
			m.session(f.topic("%s/session", version))
			m.will(f.topic("%s/will", version))
		}
		mosquitto{t, f, "mqttv5"}.shared(f.topic("shared"))
	})
}

// mosquitto runs the clients with one version of the protocol.
type mosquitto struct {
	t       *testing.T
	f       *fleet
	version string
}

func (m mosquitto) retained(topic string) {
	m.t.Helper()
	m.publish(0, "-t", topic, "-m", "kept", "-q", "1", "-r")
	m.received(m.subscribe(1, "-q", "1", "-C", "1", "-t", topic), "kept 1 1")
	m.publish(1, "-t", topic, "-n", "-q", "1", "-r")
	after := m.subscribe(0, "-d", "-q", "1", "-C", "1", "-t", topic)
	after.until("Subscribed")
	m.publish(1, "-t", topic, "-m", "live", "-q", "1")
	m.received(after, "live 1 0")
}

func (m mosquitto) session(topic string) {
	m.t.Helper()
	args := []string{"-q", "2", "-c", "-i", m.version + "-s", "-t", topic}
	if m.version == "mqttv5" {
		args = append(args, "-x", "3600")
	}
	m.received(m.subscribe(0, append(args, "-E")...))
	for q := range 3 {
		m.publish(q%2, "-t", topic, "-m", fmt.Sprint("m", q), "-q", fmt.Sprint(max(q, 1)))
	}
	m.received(m.subscribe(1, append(args, "-C", "3")...), "m0 1 0", "m1 1 0", "m2 2 0")
}

func (m mosquitto) will(topic string) {
	m.t.Helper()
	other := m.subscribe(0, "-d", "-q", "1", "-C", "1", "-t", topic)
	other.until("Subscribed")
	mortal := m.subscribe(1, "-d", "-t", topic+"/none", "--will-topic", topic, "--will-payload", "farewell", "--will-qos", "1")
	mortal.until("Subscribed")
	must(m.t, mortal.cmd.Process.Kill())
	m.received(other, "farewell 1 0")
}

// shared has two members of a group on two instances, and a plain subscriber beside them.
func (m mosquitto) shared(topic string) {
	m.t.Helper()
	beside := m.subscribe(0, "-d", "-q", "1", "-C", "20", "-t", topic)
	beside.until("Subscribed")
	members := []*printing{m.subscribe(0, "-d", "-q", "1", "-t", "$share/crew/"+topic), m.subscribe(1, "-d", "-q", "1", "-t", "$share/crew/"+topic)}
	for _, c := range members {
		c.until("Subscribed")
	}
	var want []string
	for i := range 20 {
		m.publish(i%2, "-t", topic, "-m", fmt.Sprint("m", i), "-q", "1")
		want = append(want, fmt.Sprintf("m%d 1 0", i))
	}
	m.received(beside, want...)
	eventually(m.t, soon, func() error {
		got := append(members[0].messages(), members[1].messages()...)
		slices.SortFunc(got, func(a, b string) int { return slices.Index(want, a) - slices.Index(want, b) })
		if diff := difference(want, got); diff != "" {
			return fmt.Errorf("the group received: %s", diff)
		}
		return nil
	})
}

// publish publishes at an instance.
func (m mosquitto) publish(instance int, args ...string) {
	m.t.Helper()
	c := m.start("mosquitto_pub", instance, args...)
	if err := c.wait(); err != nil {
		m.t.Fatalf("mosquitto_pub %q: %v\n%s", args, err, c.log)
	}
}

// subscribe starts a subscriber at an instance.
func (m mosquitto) subscribe(instance int, args ...string) *printing {
	m.t.Helper()
	return m.start("mosquitto_sub", instance, append([]string{"-F", "> %p %q %r"}, args...)...)
}

// received waits for the end of a subscriber and compares what it printed: payload, QoS, RETAIN.
func (m mosquitto) received(c *printing, want ...string) {
	m.t.Helper()
	if err := c.wait(); err != nil {
		m.t.Fatalf("mosquitto_sub %q: %v\n%s", c.cmd.Args, err, c.log)
	}
	if got := c.messages(); !slices.Equal(got, want) {
		m.t.Errorf("mosquitto_sub %q: %q, want %q", c.cmd.Args, got, want)
	}
}

// printing is a running client and what it printed.
type printing struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{}
	err  error // once done is closed
}

func (m mosquitto) start(name string, instance int, args ...string) *printing {
	m.t.Helper()
	host, port, err := net.SplitHostPort(m.f.instances[instance].tcp)
	must(m.t, err)
	c := &printing{t: m.t, log: newLogBuffer(), done: make(chan struct{})}
	c.cmd = parts.Mosquitto(m.t, name, append([]string{"-h", host, "-p", port, "-V", m.version}, args...)...)
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	must(m.t, c.cmd.Start())
	go func() { c.err = c.cmd.Wait(); close(c.done) }()
	m.t.Cleanup(func() { _ = c.cmd.Process.Kill(); <-c.done })
	return c
}

// until waits for a word in the client's output.
func (c *printing) until(word string) {
	c.t.Helper()
	eventually(c.t, soon, func() error {
		if text := c.log.String(); !strings.Contains(text, word) {
			return fmt.Errorf("%q does not say %q: %s", c.cmd.Args, word, text)
		}
		return nil
	})
}

func (c *printing) wait() error {
	c.t.Helper()
	eventually(c.t, soon, func() error {
		select {
		case <-c.done:
			return nil
		default:
			return fmt.Errorf("%q has not ended: %s", c.cmd.Args, c.log)
		}
	})
	return c.err
}

// messages are the lines in which the client prints what it received.
func (c *printing) messages() []string {
	var list []string
	for line := range strings.Lines(c.log.String()) {
		if text, ok := strings.CutPrefix(line, "> "); ok && strings.HasSuffix(line, "\n") {
			list = append(list, strings.TrimSuffix(text, "\n"))
		}
	}
	return list
}
