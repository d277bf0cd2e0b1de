/*
 * Reading two answers: long ones in panes that scroll together, and what differs between them.
 *
 * Together means in proportion: when one answer is half read so is the other, however much longer it is. Panes are for
 * two columns in a window that is high enough; elsewhere the page scrolls. What one prefers is remembered here.
 */

import { countChanges, wordDiff } from "./diff.js";

const TOGETHER = "answers-scroll-together";
const MAX_CHANGES = 3000;
const STEP = 0.6;
const ROOMY = matchMedia("(height >= 40rem)");

export class Reading {
  /** `root` is the comparison, `texts` its answers by side; `announce(words)` tells a screen reader. */
  constructor(root, texts, announce) {
    Object.assign(this, { root, texts, announce });
    this.answers = root.querySelector(".answers");
    this.bodies = Array.from(root.querySelectorAll(".answer-body"));
    this.together = localStorage.getItem(TOGETHER) !== "no";
    this.placed = new Map();
    for (const body of this.bodies) body.addEventListener("scroll", () => this.follow(body), { passive: true });
    // Pictures there are none, but formulas, fonts and the window's width change how long an answer is.
    this.watcher = new ResizeObserver(() => this.fit());
    this.watcher.observe(this.answers);
    this.onHeight = () => this.fit();
    ROOMY.addEventListener("change", this.onHeight);
    this.fit();
    this.showTogether();
  }

  get isPaned() {
    return "panes" in this.answers.dataset;
  }

  get isDifference() {
    return "difference" in this.answers.dataset;
  }

  stop() {
    this.watcher.disconnect();
    ROOMY.removeEventListener("change", this.onHeight);
  }

  /** Panes where an answer does not fit the window and the two stand beside each other. */
  fit() {
    const [left, right] = this.bodies.map((body) => body.closest(".answer").getBoundingClientRect());
    const areBeside = left.top === right.top;
    const isLong = this.bodies.some((body) => contentHeight(body) > 0.72 * innerHeight);
    const paned = areBeside && isLong && ROOMY.matches;
    if (paned === this.isPaned) return;
    this.answers.toggleAttribute("data-panes", paned);
    for (const body of this.bodies) body.scrollTop = 0;
    this.root.querySelector("[data-action=together]").hidden = !paned;
  }

  /** The other answer goes where this one is, unless it was this that brought us here. */
  follow(body) {
    if (Math.abs((this.placed.get(body) ?? Infinity) - body.scrollTop) <= 1) return;
    this.placed.delete(body);
    if (!this.together || !this.isPaned) return;
    const share = body.scrollTop / Math.max(body.scrollHeight - body.clientHeight, 1);
    for (const other of this.bodies) {
      if (other === body) continue;
      other.scrollTop = share * (other.scrollHeight - other.clientHeight);
      this.placed.set(other, other.scrollTop);
    }
  }

  /** A step down (1) or up (-1) through both answers, or through the page where there are no panes. */
  scroll(direction) {
    const smooth = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
    if (!this.isPaned) {
      scrollBy({ top: direction * STEP * innerHeight, behavior: smooth });
      return;
    }
    // The longer one leads. Apart, each takes the same step.
    const bodies = [...this.bodies].sort((one, other) => other.scrollHeight - one.scrollHeight);
    for (const body of this.together ? bodies.slice(0, 1) : bodies) {
      body.scrollBy({ top: direction * STEP * body.clientHeight, behavior: smooth });
    }
  }

  toggleTogether() {
    if (!this.isPaned) return;
    this.together = !this.together;
    localStorage.setItem(TOGETHER, this.together ? "yes" : "no");
    this.placed.clear();
    this.showTogether();
    if (this.together) this.follow(this.bodies[0]);
    this.announce(this.together ? gettext("The answers scroll together.") : gettext("The answers scroll apart."));
  }

  showTogether() {
    this.root.querySelector("[data-action=together]").setAttribute("aria-pressed", String(this.together));
  }

  /** The answers as they were written, with the words marked that only one of them has; and back. */
  toggleDifference() {
    const shown = !this.isDifference;
    this.answers.toggleAttribute("data-difference", shown);
    this.root.querySelector("[data-action=difference]").setAttribute("aria-pressed", String(shown));
    const words = this.root.querySelector("#difference-words");
    words.hidden = !shown;
    if (shown) words.textContent = this.mark();
    this.announce(shown ? words.textContent : gettext("The answers as they are shown."));
    this.placed.clear();
    this.fit();
  }

  /** Fill both marked texts; returns the sentence that sums them up. */
  mark() {
    this.parts ??= wordDiff(this.texts.left, this.texts.right, MAX_CHANGES);
    for (const [side, own] of [["left", "removed"], ["right", "added"]]) {
      const place = this.root.querySelector(`.answer[data-side=${side}] .answer-difference`);
      if (!place.childNodes.length) place.append(...this.parts.filter(({ kind }) => kind === "same" || kind === own).map(element));
    }
    const { removed, added } = countChanges(this.parts);
    const shared = countChanges(this.parts.filter(({ kind }) => kind === "same").map(({ text }) => ({ kind: "added", text }))).added;
    if (!shared) return gettext("The two answers have too little in common to be set against each other.");
    return interpolate(gettext("%(removed)s words stand only in the left answer, %(added)s only in the right one."), { removed, added }, true);
  }
}

/** How high all of its content is, whether or not it is a pane. */
function contentHeight(body) {
  const style = getComputedStyle(body);
  return Array.from(body.children, (child) => child.offsetHeight).reduce((sum, height) => sum + height, 0) + parseFloat(style.paddingBlockStart) + parseFloat(style.paddingBlockEnd);
}

function element({ kind, text }) {
  if (kind === "same") return document.createTextNode(text);
  const mark = document.createElement("mark");
  mark.textContent = text;
  return mark;
}
