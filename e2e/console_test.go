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
// as an operator, leave a will. It asks nobody but the gateway, and the browser has nothing to complain of.
func TestConsole(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b backend) {
		f := start(t, 2, b, "CONSOLE=true", "ADMIN_TOKEN="+consoleToken, "STATUS_USERS=*", "STATUS_INTERVAL=1s")
		proxy := parts.Proxy(t, f.instances[0].http)
		d := connected(t, "other", packet.V5, f.instances[1].tcp)
		d.subscribed(1, f.topic("gone/x"))
		page := openBrowser(t)
		page.open("http://" + proxy.Addr + "/console")
		page.look("console-start-360", 360, 740, "light")
		page.look("console-start-1280", 1280, 900, "dark")

		page.connects(f)
		page.subscribes(f)
		page.publishes(f)
		page.receives(f, d)
		page.outlives(f, d, proxy)
		page.operates(f)
		page.accessible()
		page.keepsSecrets("not a secret", consoleToken)
		page.eval(`search.value = "", search.dispatchEvent(new Event("input"))`, nil)
		page.until(`list.children.length > 4`)
		page.pictures()

		page.eval(`document.getElementById("connect-button").click()`, nil)
		page.until(`state.dataset.state === "off"`)
		if !d.gets(soon, 1, func(a arrival) bool { return a.topic == f.topic("gone/x") && a.payload == "farewell" }) {
			t.Error("no will came")
		}
		page.staysHome(proxy.Addr)
	})
}

// connects leaves a will. A value that the browser refuses is in a part that is closed.
func (b *browser) connects(f *fleet) {
	b.t.Helper()
	b.write("client-id", "console-"+f.first)
	b.write("username", "ann")
	b.write("password", "not a secret")
	b.eval(`document.getElementById("keep-alive").value = "99999"`, nil)
	b.press("Enter")
	b.until(`document.getElementById("keep-alive").closest("details").open && state.dataset.state === "off"`)
	b.write("keep-alive", "30")
	b.write("will-topic", f.topic("gone/#"))
	b.write("will-payload", "farewell")
	b.eval(`document.getElementById("will-always").focus()`, nil)
	b.press(" ")
	b.write("password", "not a secret")
	b.press("Enter")
	b.until(`document.getElementById("will-topic").getAttribute("aria-invalid") === "true"`)
	b.write("will-topic", f.topic("gone/x"))
	b.press("Enter")
	b.until(online)
}

func (b *browser) subscribes(f *fleet) {
	b.t.Helper()
	b.write("filter", f.topic("+/x"))
	b.press("Enter")
	b.until(`document.querySelectorAll("#filters li").length === 1 && /QoS 1/.test(filters.innerText)`)
	b.write("filter", f.topic("#/x"))
	b.press("Enter")
	b.until(`filter.getAttribute("aria-invalid") === "true" && /last level/.test(document.getElementById("subscribe-said").textContent)`)
	for n, filter := range []string{"$SYS/broker/instances/#", f.topic("other")} {
		b.write("filter", filter)
		b.press("Enter")
		b.until(fmt.Sprintf(`document.querySelectorAll("#filters li").length === %d && filter.getAttribute("aria-invalid") === null`, n+2))
	}
	b.until(`[...document.querySelectorAll("#filters li")].every((li) => /QoS 1/.test(li.innerText))`)
	b.eval(`filters.querySelector('[aria-label="Remove '+`+text(f.topic("other"))+`+'"]').focus()`, nil)
	b.press("Enter")
	b.until(`document.querySelectorAll("#filters li").length === 2 && document.activeElement === filter`)
}

// publishes a payload that is a page of somebody's own.
func (b *browser) publishes(f *fleet) {
	b.t.Helper()
	hostile := `<img src=x onerror="document.title='hit'">`
	b.write("topic", f.topic("a/x"))
	b.eval(`document.getElementById("publish").querySelector("details").open = true`, nil)
	b.write("message-properties", "by="+hostile)
	b.write("payload", hostile)
	b.press("Tab", "Tab", "Tab", "Tab", "Tab", "Tab", "Tab", "Tab", "Tab", "Tab", "Enter") // three fields, the part, its five, the button
	b.until(`/Stored in/.test(document.getElementById("publish-said").textContent)`)
	b.until(`[...list.querySelectorAll(".preview")].some((e) => e.textContent === ` + text(hostile) + `)`)
	b.eval(`[...list.querySelectorAll("summary")].find((s) => s.textContent.includes(`+text(hostile)+`)).click()`, nil)
	b.until(`list.querySelector("dl")?.textContent.includes(` + text("by = "+hostile) + `)`)
	b.until(`document.querySelector("img") === null && document.title === "lmqgate console"`)
}

// receives messages of another client, and none of them while it pauses.
func (b *browser) receives(f *fleet, d *device) {
	b.t.Helper()
	for n := range 3 {
		d.publish(f.topic("a/x"), byte(n), fmt.Sprintf(`{"n": 1234567890123456789%d}`, n), nil)
	}
	d.publish(f.topic("b/x"), 1, "\x00\xff", nil)
	d.flushed(soon)
	b.until(seen(`/"n": 12345678901234567890/`) + "&&" + seen(`/"n": 12345678901234567892/`) + "&&" + seen("/^00 ff$/"))
	b.eval(`pause.focus()`, nil)
	b.press(" ")
	b.until(`pause.getAttribute("aria-pressed") === "true"`)
	d.publish(f.topic("a/x"), 1, "behind the pause", nil)
	d.flushed(soon)
	b.until(`/wait behind the pause/.test(count.textContent) && !(` + seen("/behind/") + `)`)
	b.press(" ")
	b.until(seen("/behind the pause/"))
}

// outlives the instance: the page connects again by itself, its session goes on.
func (b *browser) outlives(f *fleet, d *device, proxy *parts.ProxyServer) {
	b.t.Helper()
	f.instances[0].kill()
	b.until(`state.dataset.state === "waiting" && /goes on trying/.test(document.getElementById("connect-said").textContent)`)
	b.look("console-waiting-360", 360, 740, "light")
	d.publish(f.topic("a/x"), 1, "while away", nil)
	d.flushed(soon)
	proxy.Move(f.instances[1].http)
	b.eval(`hurry.click()`, nil)
	b.until(online + "&& " + seen("/while away/") + ` && /went on/.test(facts.innerText)`)
	b.eval(`search.value = "WHILE", search.dispatchEvent(new Event("input"))`, nil)
	b.until(`list.children.length === 1`)
	b.eval(`list.querySelector("summary").focus()`, nil)
	b.press("Enter")
	b.until(`list.querySelector("pre")?.textContent === "while away"`)
	b.eval(`view.value = "hex", view.dispatchEvent(new Event("input"))`, nil)
	b.until(`list.querySelector("pre")?.textContent.startsWith("000000  77 68 69")`)
}

// operates asks for figures, and for clients with a wrong and the right token.
func (b *browser) operates(f *fleet) {
	b.t.Helper()
	b.eval(`sys.click()`, nil)
	b.until(`/clients connected/.test(figures.textContent)`)
	b.write("token", "wrong-token-0123456789")
	b.press("Enter")
	b.until(`/ADMIN_TOKEN/.test(document.getElementById("admin-said").textContent)`)
	b.write("token", consoleToken)
	b.press("Enter")
	b.until(`instances.children.length >= 1 && /other/.test(clients.textContent) && /console-/.test(clients.textContent)`)
	b.eval(`[...clients.querySelectorAll("summary")].find((s) => /console-/.test(s.textContent)).click()`, nil)
	b.until(`/Epoch/.test(clients.textContent) && clients.textContent.includes(` + text(f.topic("+/x")) + `)`)
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
