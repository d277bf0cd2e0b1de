/*
 * Keeps what one chooses and writes on the server, within two seconds of the last key.
 *
 * One request at a time, the newest state wins, a failed one is tried again, and leaving the page sends what is left.
 * Until the server has it, the browser's session keeps it too: a reload may be faster than the last request.
 */

const DEBOUNCE_MS = 700;
const LONGEST_WAIT_MS = 1800;
const RETRY_MS = 4000;

/** The state under `key` that the server may not have yet, or null. */
export function unsavedDraft(key) {
  return JSON.parse(sessionStorage.getItem(key));
}

/**
 * `save(state, {keepalive})` stores a state and resolves to true when stored, false to try again later.
 * `show("saving" | "saved" | "offline")` tells the person. `key` names the draft in the browser's session.
 */
export class Draft {
  constructor({ key, save, show }) {
    Object.assign(this, { key, save, show });
    this.waiting = null;
    this.since = 0;
    this.timer = 0;
    this.running = null;
    this.closed = false;
  }

  /** The state has become `state`. */
  change(state) {
    if (this.closed) return;
    const now = performance.now();
    if (!this.waiting) this.since = now;
    this.waiting = state;
    sessionStorage.setItem(this.key, JSON.stringify(state));
    this.show("saving");
    this.schedule(Math.max(Math.min(DEBOUNCE_MS, this.since + LONGEST_WAIT_MS - now), 0));
  }

  /** Store what waits now; resolves when it is stored or the server does not answer. */
  async flush({ keepalive = false } = {}) {
    clearTimeout(this.timer);
    if (this.running && !keepalive) await this.running;
    if (!this.waiting || this.closed) return;
    const state = this.waiting;
    this.waiting = null;
    this.running = this.store(state, keepalive);
    await this.running;
  }

  /** Store `state` although nothing has changed: a sign of life. */
  async touch(state) {
    this.waiting ??= state;
    await this.flush();
  }

  /** No more saving: the comparison is done with. */
  close() {
    clearTimeout(this.timer);
    sessionStorage.removeItem(this.key);
    this.closed = true;
    this.waiting = null;
  }

  schedule(delay) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), delay);
  }

  async store(state, keepalive) {
    const stored = await this.save(state, { keepalive });
    this.running = null;
    if (this.closed) return;
    if (!stored) {
      this.waiting ??= state;
      this.show("offline");
      this.schedule(RETRY_MS);
    } else if (!this.waiting) {
      sessionStorage.removeItem(this.key);
      this.show("saved");
    }
  }
}
