package console

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
)

func serve(t *testing.T, cfg Config, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	h, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func get(t *testing.T, at string) *httptest.ResponseRecorder {
	t.Helper()
	return serve(t, Config{WSPath: "/mqtt"}, httptest.NewRequest("GET", at, nil))
}

// TestPageServesItsParts: what the page and its modules name is there, of the right type, under the policy, and nothing of it is
// elsewhere.
func TestPageServesItsParts(t *testing.T) {
	seen := map[string]bool{}
	named := regexp.MustCompile(`(?:href|src)="([^"#]+)"|from "\./([^"]+)"`)
	var visit func(at string)
	visit = func(at string) {
		if seen[at] {
			return
		}
		seen[at] = true
		w := get(t, at)
		if w.Code != http.StatusOK || w.Header().Get("Content-Security-Policy") != policy || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", at, w.Code, w.Header())
		}
		if kind := w.Header().Get("Content-Type"); kind == "" || kind != kinds[path.Ext(at)] && at != Path {
			t.Errorf("%s: Content-Type %q", at, kind)
		}
		for _, m := range named.FindAllStringSubmatch(w.Body.String(), -1) {
			if strings.Contains(m[1], "//") {
				t.Errorf("%s names %s", at, m[1])
				continue
			}
			next := "/" + m[1]
			if m[2] != "" {
				next = Path + "/" + m[2]
			}
			visit(next)
		}
	}
	visit(Path)
	files, err := fs.Glob(page, "page/*")
	if err != nil || len(files) != len(seen) {
		t.Errorf("%d of %d files are part of the page: %v, %v", len(seen), len(files), seen, err)
	}
	if w := get(t, Path); w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("the page is %q", w.Header().Get("Content-Type"))
	}
}

// TestPageRunsNothingInside: the policy is strict, and the page needs no exception from it.
func TestPageRunsNothingInside(t *testing.T) {
	for _, loose := range []string{"unsafe", "data:", "http:", "https:", "*"} {
		if strings.Contains(policy, loose) {
			t.Errorf("the policy has %s", loose)
		}
	}
	files, err := fs.Glob(page, "page/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := page.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "localStorage", "sessionStorage", "style=", "onclick=", "<style"} {
			if strings.Contains(string(text), bad) {
				t.Errorf("%s has %s", name, bad)
			}
		}
	}
}

func TestPageIsFilled(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{WSPath: "/mqtt"}, `data-ws-path="/mqtt" data-admin="none"`},
		{Config{WSPath: "/a/b", Admin: true}, `data-ws-path="/a/b" data-admin="open"`},
		{Config{WSPath: `/"><script>`, Admin: true, Token: true}, `data-ws-path="/&#34;&gt;&lt;script&gt;" data-admin="token"`},
	} {
		if body := serve(t, c.cfg, httptest.NewRequest("GET", Path, nil)).Body.String(); !strings.Contains(body, c.want) {
			t.Errorf("%+v: no %s in %s", c.cfg, c.want, body)
		}
	}
}

func TestOtherRequests(t *testing.T) {
	for _, c := range []struct {
		method, at string
		status     int
		header     [2]string
	}{
		{"GET", "/console/", http.StatusPermanentRedirect, [2]string{"Location", "/console"}},
		{"GET", "/console/none.js", http.StatusNotFound, [2]string{"Content-Type", "application/problem+json"}},
		{"GET", "/console/page/client.js", http.StatusNotFound, [2]string{}},
		{"GET", "/console/index.html", http.StatusNotFound, [2]string{}},
		{"POST", "/console", http.StatusMethodNotAllowed, [2]string{"Allow", "GET, HEAD"}},
		{"HEAD", "/console/client.js", http.StatusOK, [2]string{"Content-Type", kinds[".js"]}},
	} {
		w := serve(t, Config{}, httptest.NewRequest(c.method, c.at, nil))
		if w.Code != c.status || w.Header().Get(c.header[0]) != c.header[1] {
			t.Errorf("%s %s: %d %v", c.method, c.at, w.Code, w.Header())
		}
		if c.method == "HEAD" && w.Body.Len() > 0 {
			t.Errorf("HEAD has a body")
		}
	}
	first := get(t, "/console/client.js")
	r := httptest.NewRequest("GET", "/console/client.js", nil)
	r.Header.Set("If-None-Match", first.Header().Get("ETag"))
	if w := serve(t, Config{}, r); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("again: %d", w.Code)
	}
}
