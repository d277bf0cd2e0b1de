/*
 * The guidelines beside the work: opened and closed, told to the server once they are read, fetched anew when a
 * comparison comes that was handed out under a newer version. Shows what changed since the person last read them.
 */

import { Unreachable, fragment } from "./client.js";
import { wordDiff } from "./diff.js";
import { marked } from "./marked.js";

export class Guidelines {
  constructor({ panel, notice, button, announce }) {
    Object.assign(this, { panel, notice, button, announce });
    panel.addEventListener("click", (event) => {
      const chosen = event.target.closest("[data-guidelines]");
      if (chosen) this.show(chosen.dataset.guidelines);
    });
  }

  get body() {
    return this.panel.querySelector("#guidelines-body");
  }

  toggle() {
    this.panel.hidden = !this.panel.hidden;
    this.button.setAttribute("aria-expanded", String(!this.panel.hidden));
    if (this.panel.hidden) {
      this.button.focus({ preventScroll: true });
      return;
    }
    this.panel.focus({ preventScroll: true });
    this.read();
  }

  showChanges() {
    if (this.panel.hidden) this.toggle();
    else this.read();
    this.show("changes");
  }

  /** "text" or "changes". */
  show(what) {
    const changes = this.body.querySelector(".guidelines-changes");
    if (!changes) return;
    if (!changes.hasChildNodes()) changes.append(...marked(wordDiff(this.text("before"), this.text("now"))));
    changes.hidden = what !== "changes";
    changes.querySelector("ins, del")?.scrollIntoView({ block: "nearest" });
    this.body.querySelector(".guidelines-text").hidden = what === "changes";
    for (const button of this.body.querySelectorAll("[data-guidelines]")) button.setAttribute("aria-pressed", String(button.dataset.guidelines === what));
  }

  /** A comparison came that was handed out under version `number`. */
  async expect(number) {
    if (!(number > Number(this.body.dataset.number))) return;
    const response = await fetch(this.body.dataset.url, { credentials: "same-origin" }).catch(() => null);
    if (!response?.ok || response.redirected) return;
    const template = document.createElement("template");
    template.innerHTML = await response.text();
    const body = template.content.querySelector("#guidelines-body");
    const isNew = body.hasAttribute("data-changed") && this.notice.hidden;
    this.body.replaceWith(body);
    this.notice.hidden = !body.hasAttribute("data-changed");
    if (isNew) this.announce(this.notice.querySelector("p").textContent);
  }

  /** What is open now has been read. If the server does not hear of it, the notice comes again with the next page. */
  async read() {
    if (this.notice.hidden) return;
    this.notice.hidden = true;
    await fragment(this.body.dataset.seen, { number: this.body.dataset.number }).catch((error) => {
      if (!(error instanceof Unreachable)) throw error;
    });
  }

  text(which) {
    return JSON.parse(this.body.querySelector(`#guidelines-${which}`).textContent);
  }
}
