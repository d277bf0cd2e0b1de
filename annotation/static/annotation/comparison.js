/*
 * One comparison on the page: what is chosen and written in it, kept as a draft, and what is sent when it is judged.
 *
 * Made from the fragment that the server rendered. Talks to the JSON API; tells the page what happened by
 * `events.done({judged, said, problem, nextMessage, dialog, feedback})` when it is over.
 */

import { Unreachable, send } from "./client.js";
import { Draft, unsavedDraft } from "./draft.js";
import { Editor } from "./editor.js";
import { Lease } from "./lease.js";
import { Reading } from "./reading.js";
import { Refine } from "./refine.js";
import { Safety } from "./safety.js";
import { choiceOfKey, keyOfChoice } from "./scale.js";
import { Veil } from "./veil.js";
import { toast } from "../web/toast.js";

const WORDS = {
  significantly_better: gettext("significantly better"),
  better: gettext("better"),
  slightly_better: gettext("slightly better"),
  marginally_better: gettext("marginally better"),
};
const SAVED = { saving: gettext("Saving…"), saved: gettext("Draft saved"), offline: gettext("Not saved yet: no connection") };
const GONE = new Set([403, 404, 409]);
const IDLE_MS = 60_000;

export class Comparison {
  constructor(root, { api, previewUrl, events }) {
    this.root = root;
    this.events = events;
    this.url = `${api}/comparisons/${root.dataset.comparison}`;
    this.lease = root.dataset.lease;
    this.texts = JSON.parse(root.querySelector("#comparison-texts").textContent);
    this.choice = { preferred: null, strength: null };
    this.sending = false;
    this.isOver = false;
    this.isTouched = false;
    this.draft = new Draft({
      key: `draft-${this.lease}`,
      save: (state, options) => this.saveDraft(state, options),
      show: (state) => (this.part("#saved").textContent = SAVED[state]),
    });
    this.veil = new Veil(root, events.announce);
    this.reading = new Reading(root, this.texts, events.announce);
    this.editor = new Editor({ root: this.part("#editor"), previewUrl, changed: () => this.changed() });
    this.refining = new Refine({ root: this.part("#refine"), editor: this.editor, url: this.url, api, lease: this.lease, changed: () => this.changed() });
    this.safety = new Safety(this.part("#safety"));
    this.countdown = new Lease({
      element: this.part("#lease"),
      seconds: Number(root.dataset.seconds),
      total: Number(root.dataset.leaseSeconds),
      renew: () => this.draft.touch(this.state()),
      over: () => (this.part("#lease-over").hidden = false),
    });
    const unsaved = unsavedDraft(this.draft.key);
    this.restore(unsaved ?? JSON.parse(root.querySelector("#comparison-draft").textContent));
    if (unsaved) this.changed();
    this.startClock();
    root.addEventListener("change", (event) => {
      if (event.target.name === "choice") this.choose(Number(event.target.value));
      else this.changed();
    });
    root.addEventListener("input", (event) => {
      if (event.target.matches("#comment, #next-message")) this.changed();
    });
  }

  part(selector) {
    return this.root.querySelector(selector);
  }

  /** Everything that a reload must not lose. */
  state() {
    return {
      ...this.choice,
      edited: this.editor.isOpen ? this.editor.text.value : null,
      reasons: Array.from(this.root.querySelectorAll("[name=reasons]:checked"), (box) => box.value),
      comment: this.part("#comment").value,
      next_message: this.part("#next-message").value,
      feedback: this.refining.feedback.value,
      seconds: Math.round(this.seconds),
      safety: this.safety.flags,
    };
  }

  restore(draft) {
    this.seconds = draft.seconds ?? 0;
    const key = keyOfChoice(draft);
    if (key) this.showChoice(choiceOfKey(key));
    if (key && typeof draft.edited === "string") {
      this.editor.open(draft.preferred, this.texts[draft.preferred], draft.edited);
      this.part("[data-action=edit]").setAttribute("aria-expanded", "true");
      this.refining.feedback.value = draft.feedback ?? "";
      this.refining.resume();
    }
    for (const box of this.root.querySelectorAll("[name=reasons]")) box.checked = (draft.reasons ?? []).includes(box.value);
    this.safety.restore(draft.safety);
    this.part("#comment").value = draft.comment ?? "";
    this.part("#next-message").value = draft.next_message ?? "";
    if (key || draft.comment || draft.next_message) this.part("#saved").textContent = gettext("Draft restored");
  }

  changed() {
    this.isTouched = true;
    this.draft.change(this.state());
  }

  /** Key `number` of the scale. Turning to the other side closes an edit that changed nothing, and keeps one that did. */
  choose(number) {
    const choice = choiceOfKey(number);
    const turned = this.editor.isOpen && choice.preferred !== this.choice.preferred;
    if (turned && this.editor.edited !== null) {
      this.showChoice(this.choice);
      toast(gettext("You have edited the other answer: discard that edit first."), "warning");
      return;
    }
    if (turned) this.closeEditor();
    this.showChoice(choice);
    this.changed();
  }

  /** The same from the keyboard. The focus goes along: Enter then submits, and a screen reader says what is chosen. */
  chooseByKey(number) {
    this.choose(number);
    this.part("[name=choice]:checked").focus({ preventScroll: true });
  }

  showChoice(choice) {
    this.choice = choice;
    const words = interpolate(choice.preferred === "left" ? gettext("Left is %s") : gettext("Right is %s"), [WORDS[choice.strength]]);
    this.part(`[name=choice][value="${keyOfChoice(choice)}"]`).checked = true;
    this.root.dataset.preferred = choice.preferred;
    this.part("#choice-words").textContent = words;
    for (const answer of this.root.querySelectorAll(".answer")) {
      const isChosen = answer.dataset.side === choice.preferred;
      answer.querySelector(".answer-verdict").textContent = isChosen ? WORDS[choice.strength] : "";
    }
    for (const name of ["edit", "refine", "submit"]) this.part(`[data-action=${name}]`).removeAttribute("aria-disabled");
  }

  edit() {
    const { preferred } = this.choice;
    if (!preferred) {
      toast(gettext("First choose the better answer with 1 to 8, then edit it."));
      return;
    }
    if (!this.editor.isOpen) {
      this.editor.open(preferred, this.texts[preferred]);
      this.part("[data-action=edit]").setAttribute("aria-expanded", "true");
    }
    this.editor.text.focus({ preventScroll: true });
    this.editor.root.scrollIntoView({ block: "nearest" });
  }

  /** Open the editor to say what the model is to change. */
  refine() {
    this.edit();
    if (this.editor.isOpen) this.refining.feedback.focus({ preventScroll: true });
  }

  closeEditor() {
    this.refining.stop();
    this.editor.close();
    this.part("[data-action=edit]").setAttribute("aria-expanded", "false");
  }

  discardEdit() {
    this.closeEditor();
    this.changed();
    this.part("[data-action=edit]").focus();
  }

  async submit() {
    if (!this.choice.preferred) {
      toast(gettext("First choose the better answer with 1 to 8."));
      return;
    }
    const { edited, next_message: nextMessage, feedback, ...rest } = this.state();
    const body = { lease: this.lease, ...rest, edited: this.editor.edited };
    // The lease names this submission: repeated after a lost answer, a reload or in a second tab it counts once.
    const headers = { "Idempotency-Key": `page-${this.lease}` };
    await this.finish("judgement", body, { headers, said: gettext("Submitted."), then: { nextMessage: nextMessage.trim(), dialog: this.root.dataset.dialog } });
  }

  async skip(reason) {
    await this.finish("skip", { lease: this.lease, reason }, { said: gettext("Skipped.") });
  }

  async flag(reason, comment) {
    await this.finish("flag", { lease: this.lease, reason, comment }, { said: gettext("Flagged. Thank you.") });
  }

  /** Send the last word on this comparison, once, and tell the page. What is refused stays here to be mended. */
  async finish(what, body, { headers = {}, said, then = {} }) {
    if (this.sending) return;
    this.setSending(true);
    try {
      const { ok, status, data } = await send("POST", `${this.url}/${what}`, body, { headers });
      if (ok || GONE.has(status)) {
        this.stop();
        const judged = ok && what === "judgement";
        this.events.done({ judged, said: ok ? said : null, problem: ok ? null : sentence(data), feedback: ok && data?.feedback ? data.id : null, ...(ok ? then : {}) });
      } else if (status === 401) {
        toast(gettext("You are logged out. Log in again in another tab, then submit here: nothing is lost."), "error");
      } else {
        toast(sentence(data), "error");
      }
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      toast(`${error.message} ${gettext("What you wrote is still here: submit again in a moment.")}`, "error");
    } finally {
      this.setSending(false);
    }
  }

  async saveDraft(draft, { keepalive = false }) {
    let answer;
    try {
      answer = await send("PUT", `${this.url}/draft`, { lease: this.lease, ...draft }, { retry: false, keepalive });
    } catch (error) {
      if (error instanceof Unreachable) return false;
      throw error;
    }
    const seconds = answer.ok ? (Date.parse(answer.data?.expires_at) - answer.now) / 1000 : 0;
    if (seconds > 0) this.countdown.extend(seconds);
    if (GONE.has(answer.status) && !this.sending && !this.isOver) {
      this.stop();
      this.events.done({ judged: false, problem: sentence(answer.data) });
    }
    return answer.ok || GONE.has(answer.status);
  }

  /** Leave the comparison, with its draft stored. */
  async leave() {
    await this.draft.flush({ keepalive: true });
  }

  stop() {
    this.isOver = true;
    this.refining.stop();
    this.draft.close();
    this.countdown.stop();
    this.reading.stop();
    clearInterval(this.clockTimer);
  }

  setSending(sending) {
    this.sending = sending;
    this.root.toggleAttribute("data-sending", sending);
    this.part("[data-action=submit]").setAttribute("aria-busy", String(sending));
  }

  /** Counts seconds in which the person was here: the tab in front, and something moved in the last minute. */
  startClock() {
    let last = performance.now();
    this.clockTimer = setInterval(() => {
      const now = performance.now();
      if (!document.hidden && now - this.countdown.lastActive < IDLE_MS) this.seconds += (now - last) / 1000;
      last = now;
    }, 1000);
  }
}

/** The API's own sentence: a string, or the first of a list of validation errors. */
function sentence(data) {
  const detail = data?.detail;
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail) && detail.length) return `${detail[0].loc?.at(-1) ?? gettext("Something")}: ${detail[0].msg}`;
  return gettext("The server did not accept that. Reload the page and try again.");
}
