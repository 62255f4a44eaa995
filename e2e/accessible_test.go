package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
)

// named are the roles of things that a screen reader announces by their names.
var named = []string{
	"button", "link", "textbox", "searchbox", "combobox", "checkbox", "spinbutton", "listbox", "region", "navigation", "search", "DisclosureTriangle",
}

// accessible: in the tree that screen readers read, everything that can be used has a name, and ids, headings and landmarks are
// as they should be.
func (b *browser) accessible() {
	b.t.Helper()
	var tree struct {
		Nodes []struct {
			Ignored bool
			Role    struct{ Value any }
			Name    struct{ Value any }
		}
	}
	b.call("Accessibility.getFullAXTree", nil, &tree)
	count := map[string]int{}
	for _, n := range tree.Nodes {
		role := fmt.Sprint(n.Role.Value)
		if n.Ignored {
			continue
		}
		count[role]++
		if name, _ := n.Name.Value.(string); name == "" && slices.Contains(named, role) {
			text, _ := json.Marshal(n)
			b.t.Errorf("a %s has no name: %s", role, text)
		}
	}
	if count["textbox"] < 3 || count["main"] != 1 || count["banner"] != 1 || count["status"] < 3 || count["button"] < 5 {
		b.t.Errorf("the page has %v", count)
	}
	var wrong []string
	b.eval(`(() => {
		const wrong = [];
		const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
		for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push("twice: " + id);
		for (const e of document.querySelectorAll("[for],[aria-labelledby],[aria-describedby]")) {
			for (const a of ["for", "aria-labelledby", "aria-describedby"]) {
				const id = e.getAttribute(a);
				if (id && !document.getElementById(id)) wrong.push(a + " of nothing: " + id);
			}
		}
		for (const e of document.querySelectorAll("input, select, textarea")) if (e.labels.length !== 1) wrong.push("labels of " + e.id + ": " + e.labels.length);
		for (const e of document.querySelectorAll("[tabindex]")) if (e.tabIndex > 0) wrong.push("order of focus: " + e.id);
		let level = 0;
		for (const h of document.querySelectorAll("h1, h2, h3, h4, h5")) {
			const now = Number(h.tagName[1]);
			if (now > level + 1) wrong.push("heading after a gap: " + h.textContent);
			level = now;
		}
		if (!document.documentElement.lang || document.querySelectorAll("h1").length !== 1) wrong.push("language or title");
		return wrong;
	})()`, &wrong)
	for _, what := range wrong {
		b.t.Error(what)
	}
	b.eval(`document.activeElement.blur(), scrollTo(0, 0)`, nil)
}

// legible: every text has a contrast of at least 4.5 to its ground, every control's border one of 3, and is at least 24 pixels high (WCAG 2.2 AA).
func (b *browser) legible(where string) {
	b.t.Helper()
	var wrong []string
	b.eval(`(() => {
		const wrong = new Set();
		const parse = (c) => c.match(/[\d.]+/g).map(Number);
		const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
			.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
		const ground = (e) => {
			for (; e; e = e.parentElement) {
				const c = parse(getComputedStyle(e).backgroundColor);
				if (c.length < 4 || c[3] > 0) return c;
			}
			return [255, 255, 255];
		};
		const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		for (let n = texts.nextNode(); n; n = texts.nextNode()) {
			const e = n.parentElement;
			if (!n.textContent.trim() || !e.checkVisibility() || e.closest("noscript, .off-screen")) continue;
			const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
			const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
			if (contrast < 4.5) wrong.add(contrast.toFixed(2) + ": " + e.tagName + " " + e.className + " " + n.textContent.trim().slice(0, 30));
		}
		for (const e of document.querySelectorAll("button, summary, select, input")) {
			const box = e.getBoundingClientRect();
			if (e.checkVisibility() && !e.classList.contains("main") && e.tagName !== "SUMMARY") {
				const [a, b] = [light(parse(getComputedStyle(e).borderTopColor)), light(ground(e.parentElement))];
				const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
				if (contrast < 3) wrong.add("border " + contrast.toFixed(2) + ": " + e.tagName + " " + e.id);
			}
			if (e.checkVisibility() && e.type !== "checkbox" && box.height < 24) wrong.add("too small: " + e.tagName + " " + e.id + " " + box.height);
		}
		return [...wrong];
	})()`, &wrong)
	for _, what := range wrong {
		b.t.Errorf("%s: %s", where, what)
	}
}
