// The little of DOM that the page needs. Outside data becomes text, never markup.

export const $ = (id) => document.getElementById(id);

/** An element with attributes and children; texts become text nodes. */
export function el(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) e.setAttribute(name, value === true ? "" : value);
  }
  e.append(...children.flat().filter((c) => c !== undefined && c !== ""));
  return e;
}

/** Says something below a form, also to screen readers. kind: "good", "warn" or "bad". */
export function say(id, text, kind = "good") {
  const at = $(id);
  at.dataset.kind = kind;
  at.textContent = text;
}

/** Marks a field as wrong and says why below its form, or takes that back. Reports whether it is right. */
export function judge(field, saidId, why) {
  if (why) {
    field.setAttribute("aria-invalid", "true");
    field.focus();
    say(saidId, why, "bad");
    return false;
  }
  field.removeAttribute("aria-invalid");
  return true;
}

/** A wrong value in a closed <details> of a form opens it, so that the browser can point at it. */
export function openInvalid(form) {
  form.addEventListener("invalid", (e) => {
    const details = e.target.closest("details");
    if (details) details.open = true;
  }, true);
}

/** Pairs of name and value for a <dl>; those without a value are left out. */
export function facts(pairs) {
  return pairs.filter(([, v]) => v !== undefined && v !== null && v !== "")
    .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value instanceof Node ? value : el("bdi", {}, String(value)))]);
}
