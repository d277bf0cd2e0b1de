/* Keeps parts of a page as they are on the server.
 *
 *   <div id="…" data-live="/rounds/5/" data-topics="round:5" data-again="12">
 *   <div id="…" data-live-part>
 *
 * data-live is where the part comes from (asked for with the header HX-Request), data-topics what changes it, and
 * data-again after how many seconds it changes although nothing happens; none for never. What the answer holds
 * as data-live-part goes where the page has an element of that id: buttons in the heading, say.
 *
 * A hidden tab holds no connection and asks for nothing: browsers have six connections for a site, and nobody
 * looks. When it is seen again, when the computer wakes, and after each break the part is asked for once, so what
 * was missed does not matter. Where events do not come, it is asked for every half minute.
 */

import { atEnd, morph } from "./morph.js";

const PAUSE_MS = 1000;
const STAGGER_MS = 400;
const SLOW_MS = 30_000;
const ASLEEP_MS = 10_000;

class Part {
  constructor(element) {
    this.element = element;
    this.topics = new Set(element.dataset.topics.split(","));
    this.timer = null;
    this.due = Infinity;
    this.asking = false;
    this.askedAt = -Infinity;
    this.stale = false;
    this.again();
  }

  /* Ask soon: not at once, since many pages hear of the same thing, and never twice in a second. */
  changed(least = 0) {
    const wait = Math.max(least, this.askedAt + PAUSE_MS - performance.now(), 0);
    this.at(wait + Math.random() * STAGGER_MS);
  }

  at(wait) {
    const due = performance.now() + wait;
    if (due >= this.due) return;
    clearTimeout(this.timer);
    this.due = due;
    this.timer = setTimeout(() => this.ask(), wait);
  }

  again() {
    const seconds = Number(this.element.dataset.again || 0);
    if (seconds) this.at(seconds * 1000 + Math.random() * STAGGER_MS);
  }

  rest() {
    clearTimeout(this.timer);
    this.due = Infinity;
  }

  async ask() {
    this.rest();
    if (document.hidden) return;
    if (this.asking) {
      this.stale = true;
      return;
    }
    this.asking = true;
    this.stale = false;
    try {
      const answer = await fetch(this.element.dataset.live, { headers: { "HX-Request": "true" }, cache: "no-store" });
      if (answer.redirected || answer.status === 401 || answer.status === 403) state.over();
      else if (!answer.ok) throw new Error(String(answer.status));
      else {
        this.show(await answer.text());
        state.heard();
      }
    } catch {
      state.unreachable();
      this.at(5000 + Math.random() * 2000);
    } finally {
      this.asking = false;
      this.askedAt = performance.now();
    }
    if (this.stale) this.changed();
    this.again();
  }

  show(text) {
    const answer = new DOMParser().parseFromString(text, "text/html");
    for (const fresh of [answer.getElementById(this.element.id), ...answer.querySelectorAll("[data-live-part]")]) {
      const shown = fresh && document.getElementById(fresh.id);
      if (!shown) continue;
      morph(shown, document.importNode(fresh, true));
      if (window.htmx) window.htmx.process(shown);
    }
  }
}

/* What the page says of itself: whether what is on it can be trusted to be the newest. */
const state = {
  label: document.querySelector("[data-live-state]"),
  streaming: false,
  since: new Date(),
  ended: false,

  say(name, text) {
    if (!this.label || this.label.dataset.liveState === name) return;
    this.label.dataset.liveState = name;
    this.label.textContent = text;
  },
  heard() {
    this.since = new Date();
    if (this.streaming) this.say("live", gettext("Live"));
    else this.say("slow", gettext("Renewed every half minute"));
  },
  unreachable() {
    const time = this.since.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this.say("away", interpolate(gettext("No connection. This is how it was at %s."), [time]));
  },
  over() {
    this.ended = true;
    this.say("over", gettext("You are logged out, or may not see this any more. Reload the page."));
    stop();
  },
};

const parts = [...document.querySelectorAll("[data-live]")].map((element) => new Part(element));
let source = null;
let slowly = null;

function start() {
  if (source || state.ended || document.hidden || !parts.length) return;
  const topics = [...new Set(parts.flatMap((part) => [...part.topics]))].join(",");
  source = new EventSource(`/events/?topics=${encodeURIComponent(topics)}`);
  source.addEventListener("live", () => streams(true));
  source.addEventListener("afresh", () => {
    streams(true);
    askAll();
  });
  source.addEventListener("changed", (event) => {
    streams(true);
    for (const part of parts) if (part.topics.has(event.data)) part.changed();
  });
  source.addEventListener("away", () => {
    streams(false);
    pollSlowly();
  });
  source.addEventListener("error", () => {
    streams(false);
    pollSlowly();
    askAll();
    // A browser comes back by itself after a broken connection, but not after a refusal.
    if (source && source.readyState === EventSource.CLOSED) source = null;
  });
}

function streams(now) {
  state.streaming = now;
  if (now) {
    clearInterval(slowly);
    state.heard();
  }
}

function pollSlowly() {
  clearInterval(slowly);
  slowly = setInterval(() => {
    askAll();
    start();
  }, SLOW_MS + Math.random() * STAGGER_MS);
}

function stop() {
  if (source) source.close();
  source = null;
  clearInterval(slowly);
  for (const part of parts) part.rest();
}

function askAll() {
  for (const part of parts) part.changed();
}

function wake() {
  start();
  askAll();
}

document.addEventListener("visibilitychange", () => (document.hidden ? stop() : wake()));
window.addEventListener("pageshow", (event) => event.persisted && wake());
window.addEventListener("pagehide", stop);
window.addEventListener("online", wake);
window.addEventListener("offline", () => state.unreachable());

// A computer that slept has no event for it, but its clock has jumped.
let ticked = Date.now();
setInterval(() => {
  const now = Date.now();
  if (now - ticked > ASLEEP_MS && !document.hidden && !state.ended) {
    stop();
    wake();
  }
  ticked = now;
}, 2000);

for (const log of document.querySelectorAll("[data-follow]")) if (!atEnd(log)) log.scrollTop = log.scrollHeight;
start();
