/*
 * How long the comparison stays ours: a countdown, and a sign of life while the person is at work.
 *
 * Counted from the seconds that the server gave, not from its clock: computers' clocks differ.
 */

const SOON_SECONDS = 60;
const PRESENCE_MS = 90_000;

export class Lease {
  /** `renew()` tells the server that we are still here; `over()` is called once when the time has run out. */
  constructor({ element, seconds, total, renew, over }) {
    Object.assign(this, { element, total, renew, over });
    this.lastActive = performance.now();
    this.extend(seconds);
    this.ticker = setInterval(() => this.tick(), 1000);
    this.onActive = () => {
      this.lastActive = performance.now();
    };
    for (const kind of ["keydown", "pointermove", "wheel", "scroll", "touchmove"]) {
      addEventListener(kind, this.onActive, { passive: true });
    }
    this.tick();
  }

  /** The server gave `seconds` from now. */
  extend(seconds) {
    this.end = performance.now() + 1000 * seconds;
    this.renewing = false;
    this.isOver = false;
  }

  stop() {
    clearInterval(this.ticker);
    for (const kind of ["keydown", "pointermove", "wheel", "scroll", "touchmove"]) removeEventListener(kind, this.onActive);
  }

  tick() {
    const left = Math.max(Math.round((this.end - performance.now()) / 1000), 0);
    this.element.textContent = left ? interpolate(gettext("%s left"), [clock(left)]) : gettext("Time is up");
    this.element.classList.toggle("is-soon", left <= SOON_SECONDS);
    if (!left && !this.isOver) {
      this.isOver = true;
      this.over();
    }
    const present = !document.hidden && performance.now() - this.lastActive < PRESENCE_MS;
    if (left && left < (2 / 3) * this.total && present && !this.renewing) {
      this.renewing = true;
      this.renew().finally(() => setTimeout(() => (this.renewing = false), 10_000));
    }
  }
}

/** "9:05", or "1:02:03" from an hour on. */
export function clock(seconds) {
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}
