/*
 * Pairs that models write in the background: asked for, watched, shown above the comparison until they are there.
 *
 * What was sent is kept in the browser's session until the server has it, and on the server from then on. Asking twice
 * asks once. `events.arrived()` is called when a pair is ready, and when the last one is gone.
 */

import { Unreachable, send } from "./client.js";
import { clock } from "./lease.js";
import { toast } from "../web/toast.js";

const POLL_MS = 4000;
const POLL_IDLE_MS = 1000;
const OFFLINE_MS = 5000;
const SHOWN_CHARACTERS = 120;

export class Turns {
  /** `root` lists the pairs (its data: api, project, words); `isIdle()` tells whether nothing is there to judge. */
  constructor({ root, isIdle, events }) {
    Object.assign(this, { root, isIdle, events });
    this.api = root.dataset.api;
    this.words = JSON.parse(root.querySelector("#turns-words").textContent);
    this.list = root.querySelector(".turns-list");
    this.key = `unsent-turns-${root.dataset.project}`;
    this.pairs = [];
    this.timer = 0;
    this.running = null;
    this.ticker = setInterval(() => this.tick(), 1000);
    this.refresh();
  }

  get unsent() {
    return JSON.parse(sessionStorage.getItem(this.key)) ?? [];
  }

  set unsent(asked) {
    if (asked.length) sessionStorage.setItem(this.key, JSON.stringify(asked));
    else sessionStorage.removeItem(this.key);
  }

  /** Send the next message of a dialog; false where the server cannot be reached, and it will be sent later. */
  async ask(dialog, content) {
    return this.post(`/dialogs/${dialog}/turn`, { content, background: true });
  }

  /** Ask for a pair under `path`; kept until the server has it or refuses it. */
  async post(path, body) {
    this.unsent = [...this.unsent, { path, body }];
    return this.refresh();
  }

  /** Send what is unsent, then look how far the pairs are; one after the other. */
  refresh() {
    this.running = (this.running ?? Promise.resolve()).then(() => this.refreshNow());
    return this.running;
  }

  async refreshNow() {
    clearTimeout(this.timer);
    try {
      while (this.unsent.length) {
        const { path, body } = this.unsent[0];
        const { ok, status, data } = await send("POST", this.api + path, body, { retry: false });
        if (status === 401) break;
        this.unsent = this.unsent.slice(1);
        if (!ok) toast(typeof data?.detail === "string" ? data.detail : this.words.refused, "warning");
      }
      await this.look();
      return true;
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.later(OFFLINE_MS);
      return false;
    }
  }

  async look() {
    const response = await fetch(`${this.api}/projects/${this.root.dataset.project}/pairs`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (!response?.ok) {
      this.later(OFFLINE_MS);
      return;
    }
    const before = this.pairs;
    this.pairs = await response.json();
    this.asOf = performance.now();
    this.draw();
    const isReady = this.pairs.some((pair) => pair.state === "ready");
    if (this.isIdle() && (isReady || (before.length && !this.pairs.length))) this.events.arrived();
    if (this.pairs.some((pair) => pair.state === "waiting" || pair.state === "running")) this.later(this.isIdle() ? POLL_IDLE_MS : POLL_MS);
  }

  later(milliseconds) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), milliseconds);
  }

  draw() {
    this.root.hidden = !this.pairs.length;
    this.list.replaceChildren(...this.pairs.map((pair) => this.item(pair)));
    this.tick();
  }

  item(pair) {
    const state = pair.state === "running" ? "waiting" : pair.state;
    const item = document.createElement("li");
    item.className = "turns-item";
    item.dataset.state = state;
    const words = document.createElement("span");
    words.textContent = state === "failed" ? pair.error : this.words[pair.turn ? state : `${state}_first`];
    const quoted = document.createElement("q");
    quoted.dir = "auto";
    quoted.textContent = pair.content.length > SHOWN_CHARACTERS ? `${pair.content.slice(0, SHOWN_CHARACTERS)}…` : pair.content;
    item.append(words, quoted);
    if (state === "waiting") {
      const time = document.createElement("span");
      time.className = "turns-time num";
      time.dataset.since = pair.seconds_since;
      item.append(time);
    }
    if (state === "failed") item.append(this.button(this.words.retry, "POST", `/pairs/${pair.id}/retry`));
    if (state !== "ready") item.append(this.button(this.words.drop, "DELETE", `/pairs/${pair.id}`));
    return item;
  }

  button(words, method, path) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button button-small button-quiet";
    button.textContent = words;
    button.addEventListener("click", async () => {
      button.disabled = true;
      const { ok, data } = await send(method, this.api + path, {}).catch(() => ({ ok: false, data: null }));
      if (!ok) toast(data?.detail ?? this.words.refused, "warning");
      await this.refresh();
    });
    return button;
  }

  tick() {
    for (const time of this.list.querySelectorAll("[data-since]")) {
      time.textContent = clock(Math.round(Number(time.dataset.since) + (performance.now() - this.asOf) / 1000));
    }
  }
}
