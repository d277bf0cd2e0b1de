/* Beginning a dialog in a live project: one's own first prompt, or one drawn from the project's set. */

import { Unreachable, send } from "./client.js";

export class FirstPrompt {
  /** `turns` sends what is asked; `asked()` is called then. */
  constructor({ dialog, api, turns, asked }) {
    Object.assign(this, { dialog, turns, asked });
    this.url = `${api}/projects/${dialog.dataset.project}`;
    this.form = dialog.querySelector("form");
    this.own = dialog.querySelector("[data-part=own]");
    this.drawnPart = dialog.querySelector("[data-part=drawn]");
    this.problem = dialog.querySelector("[data-part=problem]");
    this.drawn = null;
    this.draws = 0;
    for (const button of dialog.querySelectorAll("[data-first]")) button.addEventListener("click", () => this[button.dataset.first]());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
  }

  open() {
    this.problem.textContent = "";
    this.dialog.showModal();
    if (!this.drawn) this.form.elements.content.focus();
  }

  async draw() {
    this.draws += 1;
    const number = this.draws;
    try {
      const { ok, data } = await send("POST", `${this.url}/prompts/draw`, { other_than: this.drawn?.id ?? null });
      // Meanwhile another one was asked for, or the person chose to write.
      if (number !== this.draws) return;
      if (ok) this.show(data);
      else this.problem.textContent = data?.detail ?? "";
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.problem.textContent = this.dialog.dataset.offline;
    }
  }

  write() {
    this.draws += 1;
    this.show(null);
    this.form.elements.content.focus();
  }

  show(drawn) {
    this.drawn = drawn;
    this.problem.textContent = "";
    this.own.hidden = drawn !== null;
    this.drawnPart.hidden = drawn === null;
    this.form.elements.content.required = drawn === null;
    if (!drawn) return;
    this.drawnPart.querySelector(".first-prompt-about").textContent = [drawn.domain, drawn.language].join(" · ");
    this.drawnPart.querySelector(".first-prompt-context").replaceChildren(
      ...drawn.context.map(({ role, content }) => {
        const message = document.createElement("p");
        message.dir = "auto";
        message.lang = drawn.language;
        message.dataset.role = role;
        message.textContent = content;
        return message;
      }),
    );
  }

  ask() {
    const { content, domain, language } = this.form.elements;
    const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
    const body = this.drawn ? { prompt: this.drawn.id, key } : { content: content.value, domain: domain.value, language: language.value, key };
    this.turns.post(`/projects/${this.dialog.dataset.project}/dialogs`, body).then(() => this.asked());
    content.value = "";
    this.show(null);
    this.dialog.close();
  }
}
