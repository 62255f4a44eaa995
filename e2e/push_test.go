package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/parts"
)

const (
	adminToken = "the-token-of-operators"
	pushSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// pushed is what a receiver in Node says of a request.
type pushed struct{ Topic, Payload, ID, Bad string }

// nodeReceiver starts e2e/mqttjs/receiver.mjs; what it prints comes over the channel.
func nodeReceiver(t *testing.T) (port string, said <-chan pushed) {
	t.Helper()
	cmd := parts.MQTTJS(t, "receiver.mjs", pushSecret)
	out, err := cmd.StdoutPipe()
	must(t, err)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatalf("receiver.mjs: %v\n%s", lines.Err(), &complaints)
	}
	port = lines.Text()
	all := make(chan pushed, 10_000)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines.Scan() {
			var p pushed
			if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
				p.Bad = lines.Text()
			}
			all <- p
		}
	}()
	t.Cleanup(func() { ended(cmd); <-read })
	return port, all
}

func ended(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// operate makes a request as an operator.
func operate(t *testing.T, i *instance, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+i.http+path, strings.NewReader(body))
	must(t, err)
	r.Header.Set("Authorization", "Bearer "+adminToken)
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(text)
}

// TestPush: everything that is published reaches a receiver in Node, which verifies every signature, in the order of its topic,
// although the receiver fails now and then and the instance that pushes is killed.
func TestPush(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		port, said := nodeReceiver(t)
		f := start(t, 3, b, "ADMIN_TOKEN="+adminToken, "PUSH_ALLOW=127.0.0.1")
		spec := fmt.Sprintf(`{"url":"http://127.0.0.1:%s/ü?x=1","filters":[%q],"secrets":[%q],"min_backoff":"20ms","max_backoff":"100ms"}`,
			port, f.topic("push/#"), pushSecret)
		if status, text := operate(t, f.instances[0], "PUT", "/v1/push/x", spec); status != http.StatusCreated {
			t.Fatalf("%d %s", status, text)
		}
		d := connected(t, "publisher", packet.V5, f.instances[2].tcp)
		var want []string
		publish := func(n int) {
			for range n {
				payload := fmt.Sprint(len(want))
				topic := f.topic("push/ü %d", len(want)%3)
				want = append(want, topic+" "+payload)
				d.publish(topic, 1+byte(len(want)%2), payload, nil)
			}
		}
		var got []string
		until := func(n int) {
			t.Helper()
			for deadline := time.After(2 * soon); len(got) < n; {
				select {
				case p := <-said:
					if p.Bad != "" {
						t.Fatalf("the receiver refused a request: %s", p.Bad)
					}
					if text := p.Topic + " " + p.Payload; !slices.Contains(got, text) {
						got = append(got, text)
					}
				case <-deadline:
					t.Fatalf("%d of %d messages came", len(got), n)
				}
			}
		}
		publish(60)
		until(30)
		f.instances[0].kill() // the one that answered PUT works the target, unless another was quicker
		publish(60)
		d.flushed(soon)
		until(len(want))
		for n := range 3 {
			of := func(list []string) []string {
				return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return !strings.HasPrefix(s, f.topic("push/ü %d", n)) })
			}
			if diff := difference(of(want), of(got)); diff != "" {
				t.Errorf("topic %d: %s", n, diff)
			}
		}
		if status, text := operate(t, f.instances[1], "DELETE", "/v1/push/x", ""); status != http.StatusNoContent {
			t.Errorf("%d %s", status, text)
		}
	})
}
