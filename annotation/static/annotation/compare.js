/* The comparison page: has the first comparison from the page itself, fetches one comparison after another and hands keys and buttons to the one that is shown. */

import "../web/page.js";
import { toast } from "../web/toast.js";
import { Ahead, parsed } from "./ahead.js";
import { Unreachable, fragment } from "./client.js";
import { Comparison } from "./comparison.js";
import { showFeedback } from "./feedback.js";
import { FirstPrompt } from "./first_prompt.js";
import { Guidelines } from "./guidelines.js";
import { startKeys } from "./keys.js";
import { Turns } from "./turns.js";

const LOOK_AGAIN_MS = 20_000;

const place = document.getElementById("comparison");
const doneToday = document.getElementById("done-today");
const { next: nextUrl, api, preview: previewUrl } = place.dataset;

const ahead = new Ahead(nextUrl);
const guidelines = new Guidelines({ panel: document.getElementById("guidelines"), notice: document.getElementById("guidelines-notice"), button: document.querySelector(".compare-tools [data-action=guidelines]"), announce });
let current = null;
let lookAgainTimer = 0;

const actions = {
  choose: (number) => current?.chooseByKey(number),
  read: (direction) => current?.reading.scroll(direction),
  difference: () => current?.reading.toggleDifference(),
  together: () => current?.reading.toggleTogether(),
  reveal: () => current?.veil.toggle(),
  edit: () => current?.edit(),
  refine: () => current?.refine(),
  comment: () => current?.part("#comment").focus(),
  unsafe: () => current?.safety.toggle(),
  nextMessage: () => current?.part("#next-message").focus(),
  submit: () => current?.submit(),
  skip: () => ask("skip-dialog", (answers) => current?.skip(answers.get("reason").trim())),
  flag: () => ask("flag-dialog", (answers) => current?.flag(answers.get("reason"), answers.get("comment").trim())),
  guidelines: () => guidelines.toggle(),
  "guidelines-changes": () => guidelines.showChanges(),
  begin: () => firstPrompt?.open(),
  help: () => document.getElementById("help-dialog").showModal(),
  "discard-edit": () => current?.discardEdit(),
  "look-again": () => showNext(),
};

const turns = new Turns({ root: document.getElementById("turns"), isIdle: () => current === null && !place.hasAttribute("aria-busy"), events: { arrived: () => showNext() } });

const firstPromptDialog = document.getElementById("first-prompt");
const firstPrompt = firstPromptDialog && new FirstPrompt({ dialog: firstPromptDialog, api, turns, asked: () => current || showNext() });

startKeys(actions);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (button) actions[button.dataset.action]?.();
  if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
});
addEventListener("pagehide", () => current?.leave());
document.addEventListener("visibilitychange", () => document.hidden && current?.leave());
const first = document.getElementById("first-comparison");
if (first) show(first.content);
else showNext();

/** Replace what is shown by the next comparison, or by the word that there is none; by the one kept ahead at once. */
async function showNext() {
  clearTimeout(lookAgainTimer);
  const kept = turns.pairs.some((pair) => pair.state === "ready") ? null : ahead.take();
  if (kept) {
    show(kept);
    await takeUp(current);
    return;
  }
  ahead.drop();
  place.setAttribute("aria-busy", "true");
  try {
    const { ok, status, html } = await fragment(nextUrl);
    if (ok) show(parsed(html));
    else showProblem(status === 401 ? gettext("You are logged out.") : gettext("The next comparison could not be fetched."), gettext("Reload the page"), () => location.reload());
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    showProblem(error.message, gettext("Try again"), showNext);
  } finally {
    place.removeAttribute("aria-busy");
  }
}

/** Tell the server that `shown`, which was kept ahead, is in hand now; what else it hands out is shown if nothing was done yet. */
async function takeUp(shown) {
  const { ok, html } = await fragment(nextUrl).catch((error) => {
    if (!(error instanceof Unreachable)) throw error;
    return { ok: false };
  });
  if (!ok || current !== shown) return;
  const content = parsed(html);
  const root = content.querySelector("[data-comparison]");
  const isSame = root?.dataset.lease === shown.lease;
  if (isSame) shown.countdown.extend(Number(root.dataset.seconds));
  const hasNews = !isSame || content.querySelector("#comparison-draft").textContent !== shown.part("#comparison-draft").textContent;
  if (hasNews && !shown.isTouched) {
    shown.stop();
    show(content);
  }
}

function show(content) {
  const waited = current === null && place.querySelector("[data-nothing]") !== null;
  current = null;
  place.replaceChildren(content);
  const root = place.querySelector("[data-comparison]");
  if (!root) {
    lookAgainTimer = setTimeout(showNext, LOOK_AGAIN_MS);
    if (!waited) announce(gettext("All caught up: there is nothing to compare right now."));
    return;
  }
  current = new Comparison(root, { api, previewUrl, events: { done, announce } });
  scrollTo({ top: 0 });
  if (document.activeElement === document.body || !document.activeElement) document.getElementById("content").focus({ preventScroll: true });
  ahead.fetchSoon();
  guidelines.expect(Number(root.dataset.guidelines));
  if (turns.pairs.length) turns.refresh();
  announce(gettext("The next comparison is here."));
}

/** A comparison is over: count it, say so, and go on with its dialog or with the next one. */
async function done({ judged, said, problem, nextMessage, dialog, feedback }) {
  current = null;
  if (problem) toast(problem, "warning");
  if (judged) {
    doneToday.dataset.count = Number(doneToday.dataset.count) + 1;
    doneToday.textContent = interpolate(gettext("%s done today"), [doneToday.dataset.count]);
  }
  if (said) announce(said);
  if (feedback) await showFeedback(place, feedback);
  if (nextMessage) goOn(dialog, nextMessage);
  else showNext();
}

/** Two models answer the next message of the dialog in the background; the pair comes next when it is there. */
async function goOn(dialog, content) {
  if (!(await turns.ask(dialog, content))) toast(gettext("Your message is kept here and sent when the connection is back."), "warning");
  await showNext();
}

function showProblem(words, label, action) {
  current = null;
  const buttons = document.createElement("div");
  buttons.className = "cluster";
  buttons.append(button(label, action));
  place.replaceChildren(panel(words, buttons));
  announce(words);
}

function panel(words, last) {
  const box = document.createElement("div");
  box.className = "comparison empty";
  const title = document.createElement("p");
  title.className = "empty-title";
  title.textContent = words;
  box.append(title);
  box.append(last);
  return box;
}

function button(label, action) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = "button";
  element.textContent = label;
  element.addEventListener("click", () => action());
  return element;
}

/** Open a dialog with a form; `confirmed` gets its fields when it is sent, not when it is closed. */
function ask(id, confirmed) {
  if (!current) return;
  const dialog = document.getElementById(id);
  const form = dialog.querySelector("form");
  form.reset();
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue === "confirm") confirmed(new FormData(form));
  };
  dialog.showModal();
}

function announce(words) {
  document.getElementById("announce").textContent = words;
}
