/*
 * Keeps what one chooses and writes on the server, within a second of the last key.
 *
 * One request at a time, the newest state wins, a failed one is tried again, and leaving the page sends what is left.
 */

const DEBOUNCE_MS = 700;
const LONGEST_WAIT_MS = 1800;
const RETRY_MS = 4000;

/**
 * `save(state, {keepalive})` stores a state and resolves to true when stored, false to try again later.
 * `show("saving" | "saved" | "offline")` tells the person.
 */
export class Draft {
  constructor({ save, show }) {
    this.save = save;
    this.show = show;
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
    this.show("saving");
    this.schedule(Math.max(Math.min(DEBOUNCE_MS, this.since + LONGEST_WAIT_MS - now), 0));
  }

  /** Store what waits now; resolves when nothing waits or the server does not answer. */
  async flush({ keepalive = false } = {}) {
    clearTimeout(this.timer);
    if (this.running && !keepalive) await this.running;
    if (!this.waiting || this.closed) return;
    const state = this.waiting;
    this.waiting = null;
    this.running = this.store(state, keepalive);
    await this.running;
  }

  /** No more saving: the comparison is done with. */
  close() {
    clearTimeout(this.timer);
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
    if (stored) {
      if (!this.waiting) this.show("saved");
      return;
    }
    this.waiting ??= state;
    this.show("offline");
    this.schedule(RETRY_MS);
  }
}
