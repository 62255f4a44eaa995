// Package console is a page for people, at /console: it connects to the gateway over WebSocket with an MQTT 5 client of its own
// (page/client.js), subscribes, publishes, shows what arrives, and asks /v1/admin for clients and figures with a token that the
// user types in.
//
// The page is an MQTT client and an operator's tool like any other: it has no right that its user did not bring. It is served as
// files of the binary, to everybody who reaches it, and holds nothing secret. What is typed in stays in the page's memory: not in
// the address, not in the browser's storage. The Content-Security-Policy lets it run nothing and ask nobody but this gateway.
package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strconv"

	"lmqgate/functions/web"
)

// Path is where the page is; its parts are below it.
const Path = "/console"

//go:embed page
var page embed.FS

// policy lets the page load its own files and talk to its own origin. connect-src 'self' covers WebSocket, too (CSP 3).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; " +
	"base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// kinds are the content types by extension. They are not looked up: what the machine says of .js differs.
var kinds = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// Config of the page.
type Config struct {
	WSPath string // of MQTT over WebSocket
	Admin  bool   // /v1/admin is at the page's own address
	Token  bool   // and wants a token
}

// HTTP serves the page. It is safe for concurrent use.
type HTTP struct {
	files map[string]file // by path
}

// file is one answer, whole.
type file struct {
	kind, tag string
	body      []byte
}

var _ http.Handler = (*HTTP)(nil)

// New returns the handler of Path and everything below it.
func New(cfg Config) (*HTTP, error) {
	h := &HTTP{files: make(map[string]file)}
	err := fs.WalkDir(page, "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := page.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		at := Path + "/" + path.Base(name)
		if path.Base(name) == "index.html" {
			at = Path
			if body, err = filled(body, cfg); err != nil {
				return err
			}
		}
		sum := sha256.Sum256(body)
		h.files[at] = file{kind: kinds[path.Ext(name)], tag: `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, body: body}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("make the console's page: %w", err)
	}
	return h, nil
}

// filled is the page with what only the gateway knows.
func filled(body []byte, cfg Config) ([]byte, error) {
	t, err := template.New("index.html").Parse(string(body))
	if err != nil {
		return nil, fmt.Errorf("parse index.html: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, cfg); err != nil {
		return nil, fmt.Errorf("fill index.html: %w", err)
	}
	return out.Bytes(), nil
}

// ServeHTTP implements http.Handler.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := h.files[r.URL.Path]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		web.Refuse(http.StatusMethodNotAllowed, "the console is a page to be read").Write(w)
		return
	case r.URL.Path == Path+"/":
		http.Redirect(w, r, "../console", http.StatusPermanentRedirect) // relative: a proxy may have put a path before it
		return
	case !ok:
		web.Refuse(http.StatusNotFound, "the console has no such part").Write(w)
		return
	}
	head := w.Header()
	head.Set("Content-Type", f.kind)
	head.Set("Content-Security-Policy", policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("X-Frame-Options", "DENY")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
	head.Set("Cache-Control", "no-cache") // asked again each time: parts of different versions do not go together
	head.Set("ETag", f.tag)
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	head.Set("Content-Length", strconv.Itoa(len(f.body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(f.body)
	}
}
