// Tells the test what an EventSource says, in its order.
const source = new EventSource("/v1/stream" + location.search);
let last = Promise.resolve();
const tell = (kind, text) => {
  last = last.then(() => fetch("/saw", { method: "POST", body: JSON.stringify([kind, text]) }));
};
source.onopen = () => tell("open", "");
source.onmessage = (e) => tell("message", JSON.parse(e.data).payload);
source.addEventListener("gap", (e) => tell("gap", e.data));
source.onerror = () => tell("error", String(source.readyState));
