package tick_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lmqgate/functions/openapi/openapitest"
	"lmqgate/functions/tick"
)

const token = "0123456789abcdef"

// call makes a request; header is what Authorization says.
func call(t *testing.T, h http.Handler, method, header string) (*http.Response, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, "/v1/tick", strings.NewReader("{}"))
	if header != "" {
		r.Header.Set("Authorization", header)
	}
	w := httptest.NewRecorder()
	openapitest.Watch(t, h).ServeHTTP(w, r.WithContext(t.Context()))
	res := w.Result()
	var body map[string]any
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return res, body
}

func count(name string, n int) tick.Task {
	return tick.Task{Name: name, Run: func(context.Context) (tick.Done, error) {
		return tick.Done{Counts: map[string]int{"things": n}}, nil
	}}
}

// TestProtected: only POST, only with the token; answers are problem documents.
func TestProtected(t *testing.T) {
	runs := 0
	h := tick.New(tick.Config{Token: token}, tick.Task{Name: "a", Run: func(context.Context) (tick.Done, error) { runs++; return tick.Done{}, nil }})
	for _, tt := range []struct {
		method, header string
		status         int
	}{
		{"POST", "Bearer " + token, 200},
		{"POST", "bearer  " + token + " ", 200},
		{"POST", "", 401},
		{"POST", "Bearer", 401},
		{"POST", "Bearer " + token + "0", 401},
		{"POST", "Bearer " + token[1:], 401},
		{"POST", "Basic " + token, 401},
		{"POST", token, 401},
		{"GET", "Bearer " + token, 405},
	} {
		before := runs
		res, body := call(t, h, tt.method, tt.header)
		if res.StatusCode != tt.status || (runs > before) != (tt.status == 200) {
			t.Errorf("%s %q: %d, %d runs", tt.method, tt.header, res.StatusCode, runs-before)
		}
		if tt.status == 200 {
			continue
		}
		if res.Header.Get("Content-Type") != "application/problem+json" || body["status"] != float64(tt.status) || body["title"] != http.StatusText(tt.status) || body["type"] != "about:blank" {
			t.Errorf("%s %q: %v %v", tt.method, tt.header, res.Header, body)
		}
		if tt.status == 401 && !strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Bearer") || tt.status == 405 && res.Header.Get("Allow") != "POST" {
			t.Errorf("%s %q: %v", tt.method, tt.header, res.Header)
		}
	}
	if res, _ := call(t, tick.New(tick.Config{}), "POST", ""); res.StatusCode != 200 {
		t.Errorf("without a token: %d", res.StatusCode)
	}
}

// TestAnswer: what was done, and what was not: a task that fails keeps no other from its work and is named, its error is not
// for the caller.
func TestAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tasks  []tick.Task
		status int
		want   map[string]any
	}{
		{
			"all",
			[]tick.Task{count("a", 3), count("b", 0)},
			200,
			map[string]any{"complete": true, "done": map[string]any{"a": map[string]any{"things": 3.}, "b": map[string]any{"things": 0.}}},
		},
		{
			"more",
			[]tick.Task{{Name: "a", Run: func(context.Context) (tick.Done, error) { return tick.Done{More: true}, nil }}},
			200,
			map[string]any{"complete": false, "done": map[string]any{"a": map[string]any{}}},
		},
		{
			"failed",
			[]tick.Task{{Name: "a", Run: func(context.Context) (tick.Done, error) {
				return tick.Done{Counts: map[string]int{"things": 1}}, errors.New("dial 10.0.0.1")
			}}, count("b", 2)},
			503,
			map[string]any{
				"complete": false, "failed": []any{"a"}, "done": map[string]any{"a": map[string]any{"things": 1.}, "b": map[string]any{"things": 2.}},
				"type": "about:blank", "title": "Service Unavailable", "status": 503., "detail": "a part could not be done and is done later; the log says why",
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, body := call(t, tick.New(tick.Config{}, tt.tasks...), "POST", "")
			delete(body, "took_ms")
			if diff := cmp.Diff(tt.want, body); diff != "" || res.StatusCode != tt.status {
				t.Errorf("%d %s", res.StatusCode, diff)
			}
		})
	}
}

// TestLimit: a run ends when its time is over, which is no failure: the rest waits for the next.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := tick.New(tick.Config{Limit: 5 * time.Second}, tick.Task{Name: "a", Run: func(ctx context.Context) (tick.Done, error) {
			<-ctx.Done()
			return tick.Done{Counts: map[string]int{"things": 1}, More: true}, ctx.Err()
		}})
		began := time.Now()
		res, body := call(t, h, "POST", "")
		if res.StatusCode != 200 || body["complete"] != false || time.Since(began) != 5*time.Second {
			t.Errorf("%d %v after %v", res.StatusCode, body, time.Since(began))
		}
	})
}

// TestTogether: of many callers one runs, those that come meanwhile share the next run, and those beyond the bound are
// sent away.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		runs, now, most := 0, 0, 0
		h := tick.New(tick.Config{Queue: 10}, tick.Task{Name: "a", Run: func(context.Context) (tick.Done, error) {
			mu.Lock()
			runs++
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return tick.Done{}, nil
		}})
		codes := map[int]int{}
		var all sync.WaitGroup
		ask := func() {
			res, _ := call(t, h, "POST", "")
			mu.Lock()
			codes[res.StatusCode]++
			mu.Unlock()
		}
		all.Go(ask)
		synctest.Wait()
		for range 50 {
			all.Go(ask)
		}
		began := time.Now()
		all.Wait()
		if runs != 2 || most != 1 || time.Since(began) != 2*time.Second {
			t.Errorf("%d runs, %d at once, in %v", runs, most, time.Since(began))
		}
		if codes[200] != 10 || codes[429] != 41 {
			t.Errorf("answers: %v", codes)
		}
	})
}

// TestGone: a caller that goes away ends nobody's run, and Stop ends it for all; nothing runs afterwards.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0
		h := tick.New(tick.Config{}, tick.Task{Name: "a", Run: func(ctx context.Context) (tick.Done, error) {
			runs++
			select {
			case <-time.After(10 * time.Second):
			case <-ctx.Done():
			}
			return tick.Done{}, ctx.Err()
		}})
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/v1/tick", nil).WithContext(ctx))
		}()
		synctest.Wait()
		cancel()
		<-gone
		began := time.Now()
		if res, _ := call(t, h, "POST", ""); res.StatusCode != 200 || runs != 2 || time.Since(began) != 20*time.Second {
			t.Errorf("%d, %d runs after %v", res.StatusCode, runs, time.Since(began))
		}
		cut := make(chan int)
		go func() {
			res, _ := call(t, h, "POST", "")
			cut <- res.StatusCode
		}()
		synctest.Wait()
		h.Stop()
		if code := <-cut; code != 503 {
			t.Errorf("cut short: %d", code)
		}
		h.Wait()
		if res, _ := call(t, h, "POST", ""); res.StatusCode != 503 || runs != 3 {
			t.Errorf("after Stop: %d, %d runs", res.StatusCode, runs)
		}
	})
}
