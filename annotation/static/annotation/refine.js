/*
 * Refining the chosen answer: what is to change goes to the model that wrote it, and its new answer into the editor.
 *
 * The server does the work in the background: a reload finds it again, and a person may cancel it. The text is locked
 * meanwhile, so that nothing typed is written over.
 */

import { Unreachable, send } from "./client.js";
import { clock } from "./lease.js";

const POLL_MS = 600;
const OFFLINE_MS = 4000;
const UNFINISHED = new Set(["waiting", "running"]);

export class Refine {
  /** `editor` holds the text; `url` and `lease` are the comparison's; `changed()` is called when there is something new. */
  constructor({ root, editor, url, api, lease, changed }) {
    Object.assign(this, { root, editor, url, api, lease, changed });
    this.feedback = root.querySelector("#feedback");
    this.said = root.querySelector("#refine-said");
    this.key = `refinement-${lease}`;
    this.before = null;
    this.timer = 0;
    this.buttons = Object.fromEntries(Array.from(root.querySelectorAll("[data-refine]"), (button) => [button.dataset.refine, button]));
    for (const [name, button] of Object.entries(this.buttons)) button.addEventListener("click", () => this[name]());
    this.feedback.addEventListener("input", () => changed());
    this.feedback.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.ask();
    });
  }

  get isRunning() {
    return sessionStorage.getItem(this.key) !== null;
  }

  /** Go on with what was asked before the page was loaded again. */
  resume() {
    if (!this.isRunning) return;
    this.setRunning(true);
    this.look();
  }

  async ask() {
    const feedback = this.feedback.value.trim();
    if (!feedback || this.isRunning || this.asking) return;
    this.asking = true;
    this.since = performance.now();
    try {
      const body = { lease: this.lease, side: this.editor.root.dataset.side, text: this.editor.text.value, feedback };
      const { ok, data } = await send("POST", `${this.url}/refinements`, body);
      if (!ok) {
        this.say(typeof data?.detail === "string" ? data.detail : this.said.dataset.offline);
        return;
      }
      sessionStorage.setItem(this.key, data.id);
      this.setRunning(true);
      this.timer = setTimeout(() => this.look(), POLL_MS);
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.say(this.said.dataset.offline);
    } finally {
      this.asking = false;
    }
  }

  async look() {
    const id = sessionStorage.getItem(this.key);
    if (id === null || !this.root.isConnected) return;
    const response = await fetch(`${this.api}/refinements/${id}`, { headers: { Accept: "application/json" } }).catch(() => null);
    if (sessionStorage.getItem(this.key) !== id) return;
    if (!response?.ok) {
      if (response?.status === 404) this.finish("");
      else this.timer = setTimeout(() => this.look(), OFFLINE_MS);
      return;
    }
    const found = await response.json();
    if (UNFINISHED.has(found.state)) {
      this.since = performance.now() - 1000 * found.seconds_since;
      this.say(`${this.said.dataset.running} ${clock(Math.round(found.seconds_since))}`);
      this.timer = setTimeout(() => this.look(), POLL_MS);
      return;
    }
    if (found.state !== "ready" || !this.editor.isOpen || this.editor.root.dataset.side !== found.side) {
      this.finish(found.error);
      return;
    }
    this.before = this.editor.text.value;
    this.feedback.value = "";
    this.finish(this.said.dataset.done);
    this.put(found.content);
    this.buttons.undo.hidden = false;
    this.feedback.focus({ preventScroll: true });
  }

  /** The text as it was before the last refinement. */
  undo() {
    if (this.before === null) return;
    this.put(this.before);
    this.before = null;
    this.buttons.undo.hidden = true;
    this.say(this.said.dataset.undone);
  }

  cancel() {
    const id = sessionStorage.getItem(this.key);
    if (id === null) return;
    this.finish("");
    send("DELETE", `${this.api}/refinements/${id}`, {}, { retry: false, keepalive: true }).catch(() => null);
  }

  /** The editor is closed, or the comparison is over. */
  stop() {
    this.cancel();
    this.before = null;
    this.buttons.undo.hidden = true;
    this.feedback.value = "";
  }

  put(text) {
    this.editor.text.value = text;
    this.editor.redraw();
    this.changed();
  }

  finish(words) {
    clearTimeout(this.timer);
    sessionStorage.removeItem(this.key);
    this.setRunning(false);
    this.say(words);
  }

  setRunning(running) {
    this.editor.text.readOnly = running;
    this.root.toggleAttribute("data-running", running);
    this.buttons.ask.disabled = running;
    this.buttons.cancel.hidden = !running;
    if (running) this.say(this.said.dataset.running);
  }

  say(words) {
    this.said.textContent = words;
  }
}
