package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"lmqgate/adapter/packet"
)

const tickToken = "TICK_TOKEN=0123456789abcdef"

// ticked is an answer of POST /v1/tick.
type ticked struct {
	Complete bool
	Done     map[string]map[string]int
}

// tick calls POST /v1/tick.
func (i *instance) tick() (ticked, error) {
	r, err := http.NewRequest(http.MethodPost, "http://"+i.http+"/v1/tick", nil)
	if err != nil {
		return ticked{}, err
	}
	r.Header.Set("Authorization", "Bearer 0123456789abcdef")
	res, err := (&http.Client{Timeout: soon}).Do(r)
	if err != nil {
		return ticked{}, err
	}
	defer res.Body.Close()
	var out ticked
	if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != http.StatusOK {
		return out, fmt.Errorf("tick: %s, %v %v", res.Status, out, err)
	}
	return out, nil
}

// TestScaledToZero: all instances die with wills due and sessions that expire, and nobody is there for a while. Then one comes for
// as long as a scheduler's calls take, several at once, and goes again. Every will is published exactly once, the sessions
// are over with their filters, and who was away gets everything at the next instance.
func TestScaledToZero(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, tickToken)
		mourner := f.mourner(f.instances[0])
		mourner.disconnect()
		var ids []string
		for n := range 20 {
			id := fmt.Sprintf("client-%d", n)
			ids = append(ids, id)
			f.mortal(t, f.instances[n%2].tcp, version(n), id, func(c *packet.Connect) {
				if n%2 == 0 {
					kept(c)
				}
			})
		}
		f.mortal(t, f.instances[0].tcp, packet.V5, "delayed", kept, delayed(3))
		f.mortal(t, f.instances[0].tcp, packet.V5, "ends-first", lasting(2), delayed(3600))
		f.mortal(t, f.instances[1].tcp, packet.V5, "long-delay", kept, delayed(3600))
		ids = append(ids, "delayed", "ends-first")
		ends := dialed(t, f.instances[1].tcp, packet.V5)
		ends.connect(t, packet.Connect{ClientID: f.first + "-ends", Properties: packet.ConnectProperties{SessionExpiry: 2}})
		ends.subscribe(t, 1, f.topic("ends/+"), f.topic("ends/x"))
		for _, i := range f.instances {
			i.kill()
		}

		<-time.After(17 * time.Second) // for so long others may take them for alive
		woken := f.add()
		woken.ready()
		total := map[string]int{}
		var mu sync.Mutex // protects total
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				got, err := woken.tick()
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				for name, n := range got.Done["sessions"] {
					total[name] += n
				}
			})
		}
		callers.Wait()
		eventually(t, soon, func() error { // what the instance's own sweep claims at the same moment may come right after the answers
			if n := woken.metric("lmqgate_wills_total", `outcome="published"`); int(n) != len(ids) {
				return fmt.Errorf("%v of %d wills published", n, len(ids))
			}
			return nil
		})
		t.Logf("eight calls together: %v", total)
		woken.terminate()

		next := f.add()
		next.ready()
		must(t, mourner.connect(next.tcp))
		eachWill(t, mourner, ids)
		publisher := connected(t, f.first+"-publisher", packet.V5, next.tcp)
		publisher.unheard(f.topic("ends/x"))
		w := dialed(t, next.tcp, packet.V5)
		if w.connect(t, session(f.first+"-ends")).SessionPresent {
			t.Error("session present is 1 after the session expired")
		}
	})
}
