package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"lmqgate/e2e/parts"
)

// TestMQTTJS runs MQTT.js, the client of browsers, in Node against two instances; see mqttjs/roundtrip.mjs.
func TestMQTTJS(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		n := scale(5, 20, 100)
		f := prepare(t, b)
		cmd := parts.MQTTJS(t, "roundtrip.mjs", "URL1", "URL2", f.first, fmt.Sprint(n))
		for i := range 2 {
			f.add().ready()
			cmd.Args[2+i] = f.instances[i].ws()
		}
		var out, complaints bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaints
		must(t, cmd.Start())
		kill := time.AfterFunc(2*soon, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		kill.Stop()
		if err != nil {
			t.Fatalf("roundtrip.mjs: %v\n%s%s", err, complaints.String(), out.String())
		}
		var results map[string]struct {
			Received []struct {
				Topic, Payload string
				QoS            byte
				ContentType    string
			}
			Present []bool
			Granted []byte
		}
		if err := json.Unmarshal(out.Bytes(), &results); err != nil {
			t.Fatalf("roundtrip.mjs prints %q: %v", out.String(), err)
		}
		for _, version := range []string{"4", "5"} {
			r := results[version]
			if !slices.Equal(r.Present, []bool{false, true}) || !slices.Equal(r.Granted, []byte{2}) {
				t.Errorf("version %s: session present %v, QoS granted %v", version, r.Present, r.Granted)
			}
			for qos := range byte(3) {
				var got []string
				for _, m := range r.Received {
					if m.Topic != f.topic("js%s/q%d", version, qos) {
						continue
					}
					if m.QoS != qos || version == "5" && m.ContentType != "text/plain" {
						t.Errorf("version %s: %+v", version, m)
					}
					got = append(got, m.Payload)
				}
				wanted := append(numbered("here ", n), numbered("gone ", n)...)
				if qos == 0 { // some may be lost while the subscriber is away
					wanted, got = wanted[:n], slices.DeleteFunc(got, func(p string) bool { return p[:4] == "gone" })
				}
				if qos == 1 { // may be repeated after the break
					got = firsts(got)
				}
				if diff := difference(wanted, got); diff != "" {
					t.Errorf("version %s, QoS %d: %s", version, qos, diff)
				}
			}
		}
	})
}
