package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"lmqgate/adapter/packet"
	"lmqgate/e2e/parts"
)

const consoleToken = "console-token-0123456789"

// TestConsole: the page in a real browser, by keyboard: connect, subscribe, publish, see it, go on when the instance is killed, ask
// as an operator. It asks nobody but the gateway, and the browser has nothing to complain of.
func TestConsole(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "CONSOLE=true", "ADMIN_TOKEN="+consoleToken, "STATUS_USERS=*", "STATUS_INTERVAL=1s")
		proxy := parts.Proxy(t, f.instances[0].http)
		page := openBrowser(t)
		page.open("http://" + proxy.Addr + "/console")
		page.look("console-start-360", 360, 740, "light")
		page.look("console-start-1280", 1280, 900, "dark")

		page.write("client-id", "console-"+f.first)
		page.write("username", "ann")
		page.write("password", "not a secret")
		page.press("Enter")
		page.until(online)
		page.write("filter", f.topic("+/x"))
		page.press("Enter")
		page.until(`document.querySelectorAll("#filters li").length === 1 && /QoS 1/.test(filters.innerText)`)
		page.write("filter", f.topic("#/x"))
		page.press("Enter")
		page.until(`filter.getAttribute("aria-invalid") === "true" && /last level/.test(document.getElementById("subscribe-said").textContent)`)
		page.write("filter", "$SYS/broker/instances/#")
		page.press("Enter")
		page.until(`document.querySelectorAll("#filters li").length === 2 && filter.getAttribute("aria-invalid") === null`)

		hostile := `<img src=x onerror="document.title='hit'">`
		page.write("topic", f.topic("a/x"))
		page.write("payload", hostile)
		page.press("Tab", "Tab", "Tab", "Tab", "Tab", "Enter") // written as, QoS, retain, properties, the button
		page.until(`/Stored in/.test(document.getElementById("publish-said").textContent)`)
		page.until(`[...list.querySelectorAll(".preview")].some((e) => e.textContent === ` + text(hostile) + `)`)
		page.until(`list.querySelector("img") === null && document.title === "lmqgate console"`)

		d := connected(t, "publisher", packet.V5, f.instances[1].tcp)
		for n := range 3 {
			d.publish(f.topic("a/x"), byte(n), fmt.Sprintf(`{"n": 1234567890123456789%d}`, n), nil)
		}
		d.publish(f.topic("b/x"), 1, "\x00\xff", nil)
		d.flushed(soon)
		page.until(seen(`/"n": 12345678901234567890/`) + "&&" + seen(`/"n": 12345678901234567892/`) + "&&" + seen("/^00 ff$/"))

		// The instance is killed: the page connects again by itself, its session goes on.
		f.instances[0].kill()
		proxy.Move(f.instances[1].http)
		d.publish(f.topic("a/x"), 1, "while away", nil)
		d.flushed(soon)
		page.until(online + "&& " + seen("/while away/") + ` && /went on/.test(facts.innerText)`)

		page.eval(`search.value = "WHILE", search.dispatchEvent(new Event("input"))`, nil)
		page.until(`list.children.length === 1`)
		page.eval(`list.querySelector("summary").focus()`, nil)
		page.press("Enter")
		page.until(`list.querySelector("pre")?.textContent === "while away"`)
		page.eval(`view.value = "hex", view.dispatchEvent(new Event("input"))`, nil)
		page.until(`list.querySelector("pre")?.textContent.startsWith("000000  77 68 69")`)

		page.eval(`sys.click()`, nil)
		page.until(`/clients connected/.test(figures.textContent)`)
		page.write("token", "wrong-token-0123456789")
		page.press("Enter")
		page.until(`/ADMIN_TOKEN/.test(document.getElementById("admin-said").textContent)`)
		page.write("token", consoleToken)
		page.press("Enter")
		page.until(`instances.children.length >= 1 && /publisher/.test(clients.textContent) && /console-/.test(clients.textContent)`)
		page.eval(`[...clients.querySelectorAll("summary")].find((s) => /console-/.test(s.textContent)).click()`, nil)
		page.until(`/Epoch/.test(clients.textContent) && clients.textContent.includes(` + text(f.topic("+/x")) + `)`)

		page.accessible()
		page.keepsSecrets("not a secret", consoleToken)
		page.staysHome(proxy.Addr)
		page.eval(`search.value = "", search.dispatchEvent(new Event("input"))`, nil)
		page.until(`list.children.length > 4`)
		page.pictures()
	})
}

const online = `state.dataset.state === "online"`

// seen is an expression: a message is listed whose beginning is like this.
func seen(like string) string {
	return `[...list.querySelectorAll(".preview")].some((e) => ` + like + `.test(e.textContent))`
}

// text is a text of JavaScript.
func text(s string) string {
	out, _ := json.Marshal(s)
	return string(out)
}

// keepsSecrets: nothing of what was typed in is in an address or in the browser's storage.
func (b *browser) keepsSecrets(secrets ...string) {
	b.t.Helper()
	var kept string
	b.eval(`location.href + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie + JSON.stringify(history.state)`, &kept)
	for _, secret := range secrets {
		if strings.Contains(kept+strings.Join(b.asked, " "), secret) {
			b.t.Errorf("%q is in %s, %v", secret, kept, b.asked)
		}
	}
	var empty bool
	b.eval(`localStorage.length + sessionStorage.length === 0`, &empty)
	if !empty {
		b.t.Errorf("the page stores something: %s", kept)
	}
}

// staysHome: no request to another address, and no complaint of the browser other than of the connection that was broken and the
// wrong token.
func (b *browser) staysHome(addr string) {
	b.t.Helper()
	for _, asked := range b.asked {
		if u, err := url.Parse(asked); err != nil || u.Host != addr && asked != "about:blank" {
			b.t.Errorf("the page asks for %s", asked)
		}
	}
	for _, said := range b.wrong {
		if !strings.Contains(said, "WebSocket connection to") && !strings.Contains(said, "401") {
			b.t.Errorf("the browser says %s", said)
		}
	}
}

// pictures looks at the page in the widths and schemes that people have. No width makes it scroll sideways.
func (b *browser) pictures() {
	b.t.Helper()
	grounds := map[string]bool{}
	for _, scheme := range []string{"light", "dark"} {
		for _, size := range [][2]int{{360, 740}, {1280, 900}} {
			b.look(fmt.Sprintf("console-%s-%d", scheme, size[0]), size[0], size[1], scheme)
			var wide struct {
				Page, Window int
				Ground       string
			}
			b.eval(`({page: document.documentElement.scrollWidth, window: innerWidth, ground: getComputedStyle(document.body).backgroundColor})`, &wide)
			if wide.Page > wide.Window {
				b.t.Errorf("%s, %d wide: the page is %d wide", scheme, size[0], wide.Page)
			}
			grounds[wide.Ground] = true
			b.legible(scheme)
		}
	}
	if len(grounds) != 2 {
		b.t.Errorf("light and dark have the grounds %v", grounds)
	}
}
