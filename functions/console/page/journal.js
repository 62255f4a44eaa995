// The messages that the page remembers: the newest ones, bounded in number and bytes, with a pause.

export class Journal {
  #list = []; // oldest first
  #bytes = 0;
  #most;
  #mostBytes;
  #frozen; // what is shown while it pauses; undefined: no pause
  #until = 0; // number of the last message before the pause

  /** How many messages have come, and how many of them were given up for newer ones. */
  came = 0;
  dropped = 0;

  constructor({ most = 500, mostBytes = 8 << 20 } = {}) {
    this.#most = most;
    this.#mostBytes = mostBytes;
  }

  /** Takes a message and numbers it. */
  add(message) {
    const m = { ...message, number: ++this.came, size: message.payload.length + message.topic.length };
    this.#list.push(m);
    this.#bytes += m.size;
    while (this.#list.length > this.#most || (this.#bytes > this.#mostBytes && this.#list.length > 1)) {
      this.#bytes -= this.#list.shift().size;
      this.dropped++;
    }
    return m;
  }

  get size() {
    return this.#list.length;
  }

  get paused() {
    return this.#frozen !== undefined;
  }

  /** How many messages came since the pause began. */
  get behind() {
    return this.paused ? this.came - this.#until : 0;
  }

  /** What is shown stays, while what comes is kept beside it within the same bounds. */
  pause() {
    if (this.paused) return;
    this.#frozen = [...this.#list];
    this.#until = this.came;
  }

  go() {
    this.#frozen = undefined;
  }

  clear() {
    this.#list = [];
    this.#bytes = 0;
    this.came = 0;
    this.dropped = 0;
    if (this.paused) this.#frozen = [];
    this.#until = 0;
  }

  /** What is to be seen, newest first: not what came since the pause, only what wanted accepts. */
  shown(wanted = () => true) {
    return (this.#frozen ?? this.#list).filter(wanted).reverse();
  }
}
