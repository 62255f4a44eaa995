package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"lmqgate/adapter/packet"
)

// admin runs a command of the binary with the environment of the instances, and returns what it prints and its exit status.
func (f *fleet) admin(args ...string) (string, int) {
	f.t.Helper()
	binary, err := f.binary()
	must(f.t, err)
	cmd := command(binary, args...)
	cmd.Env = append(cmd.Env, f.env...)
	out, _ := cmd.CombinedOutput()
	f.t.Logf("$ lmqgate %s\n%s", strings.Join(args, " "), out)
	return string(out), cmd.ProcessState.ExitCode()
}

// TestAdmin looks at clients of two instances, at one that is away and how far it is behind, and disconnects them: with its
// session kept, and with the session ended.
func TestAdmin(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b)
		phone := connected(t, "phone-7", packet.V5, f.instances[0].tcp)
		away := connected(t, "sensor-1", packet.V5, f.instances[1].tcp)
		phone.subscribed(1, f.topic("room/+"))
		away.subscribed(1, f.topic("room/+"), f.topic("room/1"))
		away.disconnect()
		acks := make(chan packet.ReasonCode, 4)
		for n := range 3 {
			phone.publish(f.topic("room/2"), 1, fmt.Sprint(n), func(c packet.ReasonCode) { acks <- c })
		}
		phone.publish(f.topic("p2p/sensor-1/x"), 1, "for you", func(c packet.ReasonCode) { acks <- c })
		for range 4 {
			take(t, acks)
		}
		eventually(t, soon, func() error { // the index of a broker lags a little
			out, _ := f.admin("client", "--json", "sensor-1")
			var d struct {
				State  string
				Behind *int
			}
			if err := json.Unmarshal([]byte(out), &d); err != nil || d.State != "away" || d.Behind == nil || *d.Behind != 4 {
				return fmt.Errorf("sensor-1: %v\n%s", err, out)
			}
			return nil
		})
		f.prints("client sensor-1", 0, "behind         4 messages", "2 subscriptions", "(sent to the client)")
		f.prints("clients", 0, "phone-7", "sensor-1", "2 clients")
		f.prints("clients --connected", 0, "phone-7", "1 client\n")
		f.prints("filters --clients "+f.topic("room/+"), 0, "2 subscribers")
		f.prints("topics", 0, f.first+" ")
		f.prints("instances", 0, "2 instances", "live")
		f.prints("kick phone-7", 0, "phone-7 is disconnected from")
		eventually(t, soon, func() error {
			phone.mu.Lock()
			defer phone.mu.Unlock()
			if len(phone.ended) == 0 || phone.ended[0] != packet.AdministrativeAction {
				return fmt.Errorf("the client was told %v", phone.ended)
			}
			return nil
		})
		f.prints("kick --end-session sensor-1", 0, "its session is over, 2 subscriptions released")
		f.prints("client sensor-1", 1, "neither a connection nor a session")
		f.prints("filters "+f.topic("room/1"), 0, "no filter")
	})
}

// prints runs a command and looks for texts in what it says.
func (f *fleet) prints(args string, code int, texts ...string) {
	f.t.Helper()
	out, got := f.admin(strings.Fields(args)...)
	if got != code || !containsAll(out, texts) {
		f.t.Errorf("%s: status %d, want %d and %q", args, got, code, texts)
	}
}
