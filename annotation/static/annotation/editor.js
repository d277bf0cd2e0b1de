/* The edit of the chosen answer: a text field, what it changes word by word, and how it will look. */

import { fragment } from "./client.js";
import { countChanges, wordDiff } from "./diff.js";
import { marked } from "./marked.js";

const PREVIEW_DELAY_MS = 400;

export class Editor {
  /** `root` holds the editor's markup; `changed()` is called when the text changes. */
  constructor({ root, previewUrl, changed }) {
    this.root = root;
    this.previewUrl = previewUrl;
    this.text = root.querySelector("#edited");
    this.difference = root.querySelector("#difference");
    this.preview = root.querySelector("#preview");
    this.counts = root.querySelector("#edit-counts");
    this.original = "";
    this.text.addEventListener("input", () => {
      this.redraw();
      changed();
    });
    for (const button of root.querySelectorAll("[data-show]")) {
      button.addEventListener("click", () => this.show(button.dataset.show));
    }
  }

  get isOpen() {
    return !this.root.hidden;
  }

  /** The edited text, or null where nothing is changed. */
  get edited() {
    const changed = this.isOpen && this.text.value !== this.original && this.text.value.trim() !== "";
    return changed ? this.text.value : null;
  }

  /** Edit `original`, the answer on `side`, going on from `edited` where there is a draft. */
  open(side, original, edited = null) {
    this.original = original;
    this.root.dataset.side = side;
    this.root.querySelector("#editor-title").textContent = side === "left" ? gettext("Your edit of the left answer") : gettext("Your edit of the right answer");
    this.text.value = edited ?? original;
    this.root.hidden = false;
    this.redraw();
  }

  close() {
    this.root.hidden = true;
    this.text.value = "";
  }

  redraw() {
    const parts = wordDiff(this.original, this.text.value);
    const { removed, added } = countChanges(parts);
    this.difference.replaceChildren(...marked(parts));
    this.counts.textContent = removed || added ? interpolate(gettext("%(added)s added, %(removed)s removed"), { added, removed }, true) : gettext("Nothing changed yet");
    if (!this.preview.hidden) this.renderSoon();
  }

  show(what) {
    for (const button of this.root.querySelectorAll("[data-show]")) {
      button.setAttribute("aria-pressed", String(button.dataset.show === what));
    }
    this.difference.hidden = what !== "difference";
    this.preview.hidden = what !== "preview";
    if (what === "preview") this.render();
  }

  renderSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.render(), PREVIEW_DELAY_MS);
  }

  async render() {
    const text = this.text.value;
    const { ok, html } = await fragment(this.previewUrl, { text });
    if (ok && text === this.text.value) this.preview.innerHTML = html;
  }
}
