/*
 * The keyboard of the comparison page. Single keys work wherever one is not typing; Ctrl+Enter and Escape also there.
 *
 * `actions` has: choose(1 to 8), read(1 or -1), difference, together, reveal, edit, refine, comment, unsafe, nextMessage, submit, skip, flag, guidelines, begin, help.
 */

import { choiceOfKey } from "./scale.js";

const LETTERS = { d: "difference", l: "together", v: "reveal", e: "edit", r: "refine", c: "comment", u: "unsafe", n: "nextMessage", s: "skip", f: "flag", g: "guidelines", p: "begin" };

export function startKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey || document.querySelector("dialog[open]")) return;
    const typing = event.target.closest("textarea, select, [contenteditable], input:not([type=radio], [type=checkbox])");
    const action = typing ? actionWhileTyping(event, typing) : actionOfKey(event);
    if (!action) return;
    event.preventDefault();
    const [name, argument] = action;
    actions[name]?.(argument);
  });
}

function actionWhileTyping(event, field) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return ["submit"];
  if (event.key === "Escape") {
    field.blur();
    return null;
  }
  return null;
}

function actionOfKey(event) {
  if (event.key === "Enter") {
    const pressable = event.target.closest("a, button, summary");
    return pressable && !(event.ctrlKey || event.metaKey) ? null : ["submit"];
  }
  if (event.ctrlKey || event.metaKey) return null;
  if (event.key === "?") return ["help"];
  if (choiceOfKey(Number(event.key)) && event.key.length === 1) return ["choose", Number(event.key)];
  if (event.key === "j" || event.key === "k") return ["read", event.key === "j" ? 1 : -1];
  const name = LETTERS[event.key.toLowerCase()];
  return name && !event.repeat ? [name] : null;
}
