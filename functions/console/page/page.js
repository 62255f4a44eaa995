// Puts the parts of the page together.
import { Client } from "./client.js";
import { matches } from "./topics.js";
import { connectionUI } from "./ui_connection.js";
import { figuresUI } from "./ui_figures.js";
import { messagesUI } from "./ui_messages.js";
import { operatorUI } from "./ui_operator.js";
import { publishUI } from "./ui_publish.js";
import { subscriptionsUI } from "./ui_subscriptions.js";

const on = {};
const client = new Client(on);
const figures = figuresUI(client);
const subscriptions = subscriptionsUI(client);
const show = messagesUI();
on.state = connectionUI(client);
on.refused = subscriptions.refused;
on.subscriptions = (list) => {
  subscriptions.list(list);
  figures.changed();
};
on.message = (p) => {
  if (!figures.take(p, matches)) show(p);
};
publishUI(client);
operatorUI();
