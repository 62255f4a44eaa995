// What operators ask: /v1/admin, with a token that lives in this page's memory only.

/** The gateway's answer was an error; status is 0 where there was no answer. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const answerTime = 20_000;
const longest = 4 << 20; // characters of an answer

export class Admin {
  token = "";
  #fetch;

  constructor(fetcher = (...args) => fetch(...args)) {
    this.#fetch = fetcher;
  }

  async #get(path, query = {}) {
    const asked = new URLSearchParams(Object.entries(query).filter(([, v]) => v !== "" && v !== undefined)).toString();
    let response;
    try {
      response = await this.#fetch(`/v1/admin/${path}${asked ? `?${asked}` : ""}`, {
        headers: this.token ? { Authorization: `Bearer ${this.token}` } : {},
        credentials: "omit", redirect: "error", cache: "no-store", signal: AbortSignal.timeout(answerTime),
      });
    } catch (error) {
      throw new Refused(0, error.name === "TimeoutError" ? "no answer in time" : "the gateway cannot be reached, or this token cannot be sent");
    }
    const text = await response.text();
    let body;
    try {
      body = text.length <= longest ? JSON.parse(text) : undefined;
    } catch {
      body = undefined;
    }
    if (!response.ok) throw new Refused(response.status, body?.detail ?? `status ${response.status}`);
    if (body === undefined) throw new Refused(response.status, "the answer is not JSON");
    return body;
  }

  async instances() {
    return (await this.#get("instances")).instances ?? [];
  }

  /** One page: {clients, next}. */
  async clients({ pattern, state, cursor } = {}) {
    return this.#get("clients", { pattern, state, cursor, limit: 50 });
  }

  async client(id) {
    return this.#get(`clients/${encodeURIComponent(id)}`);
  }
}
