// A receiver of pushes: node receiver.mjs SECRET
//
// Listens on a free port of 127.0.0.1, which is the first line it prints. Of each POST it verifies the signature with the public
// library of Standard Webhooks, and prints one JSON line: {"topic", "payload", "id"} or {"bad": "why"}. Every seventh request is
// answered with 500 and not counted, as receivers do now and then.
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.argv[2]);
let requests = 0;

createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    if (++requests % 7 === 0) {
      response.writeHead(500).end();
      return;
    }
    const body = Buffer.concat(chunks);
    let said;
    try {
      webhook.verify(body, request.headers);
      said = { topic: decodeURIComponent(request.headers["ce-subject"]), payload: body.toString(), id: request.headers["ce-id"] };
      if (said.id !== request.headers["webhook-id"]) throw new Error("two ids");
    } catch (error) {
      said = { bad: String(error) };
    }
    process.stdout.write(JSON.stringify(said) + "\n");
    response.writeHead(said.bad ? 400 : 204).end();
  });
}).listen(0, "127.0.0.1", function () {
  process.stdout.write(this.address().port + "\n");
});
