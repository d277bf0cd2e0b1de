/* What is unsafe in each answer: the ticks, closed until somebody needs them. */

const SIDES = ["left", "right"];

export class Safety {
  /** `root` is the details element, or null where the project does not ask. */
  constructor(root) {
    this.root = root;
    root?.addEventListener("change", () => this.count());
  }

  /** {left: [category], right: [category]} */
  get flags() {
    return Object.fromEntries(SIDES.map((side) => [side, this.boxes(side).filter((box) => box.checked).map((box) => box.value)]));
  }

  restore(flags = {}) {
    for (const side of SIDES) for (const box of this.boxes(side)) box.checked = (flags[side] ?? []).includes(box.value);
    if (this.count()) this.root.open = true;
  }

  /** Open, with the focus in it; again, and it closes. */
  toggle() {
    if (!this.root) return;
    this.root.open = !this.root.open;
    if (!this.root.open) this.root.querySelector("summary").focus();
    else this.boxes("left")[0].focus();
    this.root.scrollIntoView({ block: "nearest" });
  }

  count() {
    const number = SIDES.reduce((sum, side) => sum + this.flags[side].length, 0);
    const badge = this.root?.querySelector("[data-safety-count]");
    if (badge) {
      badge.hidden = !number;
      badge.textContent = number;
    }
    return number;
  }

  boxes(side) {
    return Array.from(this.root?.querySelectorAll(`[name=safety-${side}]`) ?? []);
  }
}
