/*
 * Sensitive texts are blurred until one shows them: each by its button, all with V, or always.
 *
 * What is blurred is also inert, so that no screen reader speaks it and no focus enters it.
 */

const ALWAYS = "sensitive-always-shown";

export class Veil {
  constructor(root, announce) {
    Object.assign(this, { root, announce });
    this.parts = root.hasAttribute("data-sensitive") ? Array.from(root.querySelectorAll(".context, .answer-body")) : [];
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-reveal]");
      if (button) this.showPart(button.dataset.reveal);
      if (event.target.closest("[data-always]")) this.toggleAlways();
    });
    this.set(this.parts, localStorage.getItem(ALWAYS) !== "yes");
  }

  get isVeiled() {
    return this.parts.some((part) => part.inert);
  }

  /** Show all, or blur all again. */
  toggle() {
    if (!this.parts.length) return;
    this.set(this.parts, !this.isVeiled);
    this.announce(this.isVeiled ? gettext("The texts are blurred.") : gettext("The texts are shown."));
  }

  showPart(name) {
    const part = name === "context" ? this.root.querySelector(".context") : this.root.querySelector(`.answer[data-side=${name}] .answer-body`);
    this.set([part], !part.inert);
  }

  toggleAlways() {
    const always = localStorage.getItem(ALWAYS) !== "yes";
    localStorage.setItem(ALWAYS, always ? "yes" : "no");
    this.set(this.parts, !always);
  }

  set(parts, veiled) {
    for (const part of parts) part.inert = veiled;
    for (const button of this.root.querySelectorAll("[data-reveal]")) {
      const { reveal } = button.dataset;
      const part = reveal === "context" ? this.root.querySelector(".context") : this.root.querySelector(`.answer[data-side=${reveal}] .answer-body`);
      button.setAttribute("aria-pressed", String(!part.inert));
    }
    this.root.querySelector("[data-always]")?.setAttribute("aria-pressed", String(localStorage.getItem(ALWAYS) === "yes"));
  }
}
